import {
  ApiBearerAuth,
  ApiBody,
  ApiConsumes,
  ApiHeader,
  ApiOperation,
  ApiParam,
  ApiQuery,
  ApiResponse,
  ApiSecurity,
  ApiTags,
} from '@nestjs/swagger';
import { RefreshController } from '../http/refresh.controller.js';
import { JSON_OR_FORM } from '../http/request-body.js';
import { SessionsController } from '../http/sessions.controller.js';
import { ApiRefusals } from './answers.js';
import { decorate } from './describing.js';
import { CARRIER, CLEARED_COOKIE, IDEMPOTENCY_KEY, ENDED_COOKIE, NO_STORE, SET_COOKIE } from './headers.js';
import { TokenResponseModel, TokenSessionModel } from './models.js';
import { ON_ALL_SESSIONS, ON_LOGOUT, ON_REFRESH, ON_SESSION, ON_SESSIONS } from './refusals.js';
import { LogoutRequestModel, RefreshRequestModel } from './request.models.js';
import { ACCESS_TOKEN, CLIENT, COOKIE, NOTHING } from './security.js';

/** Refreshing, logging out, and the sessions of a subject. */
export function describeTokenRoutes(): void {
  ApiTags('Tokens')(RefreshController);
  describeRefresh();
  describeLogout();
  ApiTags('Sessions')(SessionsController);
  describeSessions();
}

function describeRefresh(): void {
  decorate(
    RefreshController,
    'refresh',
    ApiOperation({
      summary: 'Spends a refresh token, for its successor and a new access token',
      description:
        'Whoever is not sure of the answer repeats the same request, and gets the same refresh token.',
    }),
    ApiSecurity(NOTHING),
    ApiSecurity(COOKIE),
    ApiSecurity(CLIENT),
    ApiHeader(CARRIER),
    ApiHeader(IDEMPOTENCY_KEY),
    ApiConsumes(...JSON_OR_FORM),
    ApiBody({ type: RefreshRequestModel, required: false }),
    ApiResponse({
      status: 200,
      description: 'The new pair.',
      type: TokenResponseModel,
      headers: { ...NO_STORE, ...SET_COOKIE },
    }),
    ApiRefusals(ON_REFRESH, { more: { 400: CLEARED_COOKIE } }),
  );
}

function describeLogout(): void {
  decorate(
    RefreshController,
    'logout',
    ApiOperation({
      summary: 'Ends a session',
      description:
        'That of the refresh token, or else of the access token. A refresh token that is of no use any more has ' +
        'nothing left to end: 204 all the same. Where `sid` says which session is meant, a token of another one ends ' +
        'nothing: 409, if none is left that may.',
    }),
    ApiSecurity(NOTHING),
    ApiSecurity(COOKIE),
    ApiBearerAuth(ACCESS_TOKEN),
    ApiHeader(CARRIER),
    ApiConsumes(...JSON_OR_FORM),
    ApiBody({ type: LogoutRequestModel, required: false }),
    ApiResponse({
      status: 204,
      description: 'It is over; a cookie of it is cleared.',
      headers: { ...NO_STORE, ...SET_COOKIE },
    }),
    ApiRefusals(ON_LOGOUT),
  );
}

function describeSessions(): void {
  decorate(
    SessionsController,
    'list',
    ApiOperation({ summary: 'Lists the living sessions of the subject, newest first' }),
    ApiBearerAuth(ACCESS_TOKEN),
    ApiResponse({
      status: 200,
      description: 'The sessions.',
      type: TokenSessionModel,
      isArray: true,
      headers: NO_STORE,
    }),
    ApiRefusals(ON_SESSIONS),
  );
  decorate(
    SessionsController,
    'end',
    ApiOperation({ summary: 'Ends one session of the subject' }),
    ApiBearerAuth(ACCESS_TOKEN),
    ApiHeader(CARRIER),
    ApiParam({ name: 'sid', description: 'The session.', schema: { type: 'string', format: 'uuid' } }),
    ApiResponse({ status: 204, description: 'It is over.', headers: ENDED_COOKIE }),
    ApiRefusals(ON_SESSION),
  );
  decorate(
    SessionsController,
    'endOthers',
    ApiOperation({ summary: 'Ends all sessions of the subject but the current one' }),
    ApiBearerAuth(ACCESS_TOKEN),
    ApiHeader(CARRIER),
    ApiQuery({
      name: 'include',
      required: false,
      description: '`current`: that one, too.',
      schema: { type: 'string', enum: ['current'] },
    }),
    ApiResponse({ status: 204, description: 'They are over.', headers: ENDED_COOKIE }),
    ApiRefusals(ON_ALL_SESSIONS),
  );
}
