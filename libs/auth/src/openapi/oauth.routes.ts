import {
  ApiBody,
  ApiConsumes,
  ApiHeader,
  ApiOperation,
  ApiResponse,
  ApiSecurity,
  ApiTags,
} from '@nestjs/swagger';
import { FORM } from '../http/request-body.js';
import { IntrospectionController } from '../oauth/introspection.controller.js';
import { TokenController } from '../oauth/token.controller.js';
import { TokenRevocationController } from '../oauth/token-revocation.controller.js';
import { ApiRefusals } from './answers.js';
import { decorate } from './describing.js';
import { IDEMPOTENCY_KEY, NO_CACHE, NO_STORE } from './headers.js';
import { INTROSPECTION } from './introspection.schema.js';
import { TokenResponseModel } from './models.js';
import { ON_INTROSPECTION, ON_REVOCATION, ON_TOKEN } from './refusals.js';
import { AnyTokenRequestModel, GrantRequestModel } from './request.models.js';
import { CLIENT, NOTHING } from './security.js';

/** The endpoints for standard clients. */
export function describeOAuthRoutes(): void {
  const tag = ApiTags('For standard clients');
  for (const each of [TokenController, TokenRevocationController, IntrospectionController]) tag(each);
  describeToken();
  describeRevocation();
  describeIntrospection();
}

function describeToken(): void {
  decorate(
    TokenController,
    'token',
    ApiOperation({
      summary: 'Spends a refresh token, for its successor and a new access token: RFC 6749 section 6',
      description:
        'Whoever is not sure of the answer repeats the same request, and gets the same refresh token.',
    }),
    ApiSecurity(NOTHING),
    ApiSecurity(CLIENT),
    ApiHeader(IDEMPOTENCY_KEY),
    ApiConsumes(FORM),
    ApiBody({ type: GrantRequestModel }),
    ApiResponse({
      status: 200,
      description: 'The new pair.',
      type: TokenResponseModel,
      headers: { ...NO_STORE, ...NO_CACHE },
    }),
    ApiRefusals(ON_TOKEN),
  );
}

function describeRevocation(): void {
  decorate(
    TokenRevocationController,
    'revoke',
    ApiOperation({
      summary: 'Ends the session of a token: RFC 7009',
      description: 'What is no token, or none any more, has nothing to end: 200 all the same.',
    }),
    ApiSecurity(NOTHING),
    ApiSecurity(CLIENT),
    ApiConsumes(FORM),
    ApiBody({ type: AnyTokenRequestModel }),
    ApiResponse({ status: 200, description: 'It is over, or never was.', headers: NO_STORE }),
    ApiRefusals(ON_REVOCATION),
  );
}

function describeIntrospection(): void {
  decorate(
    IntrospectionController,
    'introspect',
    ApiOperation({
      summary: 'Tells whether a token is good, and what it says: RFC 7662',
      description:
        'A resource server may ask about any access token, a client with a secret about its own tokens; of all others ' +
        'the answer is that they are not active.',
    }),
    ApiSecurity(CLIENT),
    ApiSecurity(NOTHING),
    ApiConsumes(FORM),
    ApiBody({ type: AnyTokenRequestModel }),
    ApiResponse({
      status: 200,
      description: 'What there is to tell.',
      schema: INTROSPECTION,
      examples: {
        active: {
          summary: 'an access token that is good',
          value: {
            iss: 'https://auth.example.com',
            sub: '<user>',
            aud: 'https://api.example.com',
            exp: 1_764_000_287,
            iat: 1_764_000_000,
            jti: '00000000-0000-4000-8000-000000000002',
            client_id: 'default',
            sid: '00000000-0000-7000-8000-000000000001',
            scope: 'read write',
            active: true,
            token_type: 'Bearer',
            token_use: 'access_token',
          },
        },
        inactive: { summary: 'any other token', value: { active: false } },
      },
      headers: NO_STORE,
    }),
    ApiRefusals(ON_INTROSPECTION),
  );
}
