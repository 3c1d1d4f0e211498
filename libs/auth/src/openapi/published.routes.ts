import {
  ApiExcludeEndpoint,
  ApiOperation,
  ApiQuery,
  ApiResponse,
  ApiSecurity,
  ApiTags,
} from '@nestjs/swagger';
import { RevocationsController } from '../http/revocations.controller.js';
import { WellKnownController } from '../http/well-known.controller.js';
import { ApiRefusals } from './answers.js';
import { decorate } from './describing.js';
import { ApiConditional, AS_OF, ETAG, NO_STORE, PUBLIC } from './headers.js';
import { KeySetModel, TokenRevocationsModel } from './models.js';
import { ON_REVOCATIONS } from './refusals.js';
import { CLIENT, NOTHING } from './security.js';

const NOT_NEWS = 'The client has it already.';

/** What other services read of this issuer. */
export function describePublishedRoutes(): void {
  ApiTags('For other services')(RevocationsController);
  describeRevocations();
  ApiTags('For other services')(WellKnownController);
  describeWellKnown();
}

function describeRevocations(): void {
  decorate(
    RevocationsController,
    'list',
    ApiOperation({ summary: 'Tells which sessions were revoked lately, in pages' }),
    ApiSecurity(CLIENT),
    ApiConditional(),
    ApiQuery({
      name: 'since',
      required: false,
      description:
        'Milliseconds since the epoch, on the clock of the database; left out, all that are known.',
      schema: { type: 'number', minimum: 0 },
    }),
    ApiResponse({
      status: 200,
      description: 'A page; `next` asks for the one after it.',
      type: TokenRevocationsModel,
      headers: { ...NO_STORE, ...ETAG, ...AS_OF },
    }),
    ApiResponse({ status: 304, description: NOT_NEWS, headers: { ...NO_STORE, ...ETAG, ...AS_OF } }),
    ApiRefusals(ON_REVOCATIONS),
  );
}

function describeWellKnown(): void {
  decorate(
    WellKnownController,
    'jwks',
    ApiOperation({ summary: 'The public keys that verify access tokens: RFC 7517' }),
    ApiSecurity(NOTHING),
    ApiConditional(),
    ApiResponse({
      status: 200,
      description: 'The key set.',
      type: KeySetModel,
      headers: { ...PUBLIC, ...ETAG },
    }),
    ApiResponse({ status: 304, description: NOT_NEWS, headers: { ...PUBLIC, ...ETAG } }),
  );
  decorate(
    WellKnownController,
    'metadata',
    ApiOperation({
      summary: 'The metadata of this issuer: RFC 8414',
      description: 'The path of an issuer that has one follows this one.',
    }),
    ApiSecurity(NOTHING),
    ApiConditional(),
    ApiResponse({
      status: 200,
      description: 'The metadata.',
      schema: {
        type: 'object',
        required: ['issuer', 'jwks_uri'],
        properties: {
          issuer: { type: 'string', format: 'uri' },
          jwks_uri: { type: 'string', format: 'uri' },
          token_endpoint: { type: 'string', format: 'uri' },
          revocation_endpoint: { type: 'string', format: 'uri' },
          introspection_endpoint: { type: 'string', format: 'uri' },
          grant_types_supported: { type: 'array', items: { type: 'string' } },
          token_endpoint_auth_methods_supported: { type: 'array', items: { type: 'string' } },
          revocation_endpoint_auth_methods_supported: { type: 'array', items: { type: 'string' } },
          introspection_endpoint_auth_methods_supported: { type: 'array', items: { type: 'string' } },
        },
      },
      headers: { ...PUBLIC, ...ETAG },
    }),
    ApiResponse({ status: 304, description: NOT_NEWS, headers: { ...PUBLIC, ...ETAG } }),
    ApiResponse({
      status: 404,
      description: 'The issuer is no URL, or has a path.',
      schema: {
        type: 'object',
        required: ['statusCode', 'message'],
        properties: { statusCode: { type: 'integer', enum: [404] }, message: { type: 'string' } },
      },
    }),
  );
  decorate(WellKnownController, 'metadataBelow', ApiExcludeEndpoint());
}
