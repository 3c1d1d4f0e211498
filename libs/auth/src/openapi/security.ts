import type { DocumentBuilder } from '@nestjs/swagger';

/** The name that `ApiBearerAuth()` has by itself: routes which use that one are meant, too. */
export const ACCESS_TOKEN = 'bearer';
export const CLIENT = 'client';
const REFRESH_COOKIE = 'refresh_cookie';
const TOKEN_CARRIER = 'token_carrier';

/** No credentials but what the body may hold; also what keeps a requirement of the whole document off a route. */
export const NOTHING: Record<string, string[]> = {};
/** The cookie counts with the header alone: both of one requirement have to be there. */
export const COOKIE: Record<string, string[]> = { [REFRESH_COOKIE]: [], [TOKEN_CARRIER]: [] };

/** @see OpenAPI 3.0.4 section 4.7.27 */
export function addSecuritySchemes(builder: DocumentBuilder): void {
  builder
    .addBearerAuth(
      { type: 'http', scheme: 'bearer', bearerFormat: 'JWT', description: 'An access token, RFC 9068.' },
      ACCESS_TOKEN,
    )
    .addCookieAuth(
      '__Host-refresh_token',
      {
        type: 'apiKey',
        in: 'cookie',
        description: 'The refresh token, for browsers: HttpOnly, so no page can set or read it.',
      },
      REFRESH_COOKIE,
    )
    .addApiKey(
      {
        type: 'apiKey',
        in: 'header',
        name: 'X-Token-Carrier',
        description: '`cookie`: without it the cookie is not read, as no form of another site can send it.',
      },
      TOKEN_CARRIER,
    )
    .addBasicAuth(
      {
        type: 'http',
        scheme: 'basic',
        description:
          'A client with a secret, or a resource server: its id and its secret. RFC 6749 section 2.3.1.',
      },
      CLIENT,
    );
}
