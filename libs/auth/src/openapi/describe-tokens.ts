import type { DocumentBuilder } from '@nestjs/swagger';
import { describeMarked } from './api-access.js';
import { describeOAuthRoutes } from './oauth.routes.js';
import { describePublishedRoutes } from './published.routes.js';
import { addSecuritySchemes } from './security.js';
import { describeTokenRoutes } from './token.routes.js';

let isDescribed = false;

/**
 * Describes the routes of `AuthModule`, and those of the application with `@ApiAccess()`, in the documents that
 * `SwaggerModule.createDocument` makes from now on, and adds the security schemes these name: `bearer`, `client`,
 * `refresh_cookie` and `token_carrier`.
 *
 * Only what is mounted is in a document, under its own prefix, and with the ids of the application's `operationIdFactory`.
 * Examples of errors are made of the errors themselves. A further call describes what has been marked since, and changes
 * nothing else.
 *
 * @param builder it is changed, and returned
 * @see OpenAPI 3.0, RFC 6749, RFC 6750, RFC 7009, RFC 7662
 */
export function describeTokens<Builder extends DocumentBuilder>(builder: Builder): Builder {
  addSecuritySchemes(builder);
  describeMarked();
  if (!isDescribed) {
    isDescribed = true;
    describeTokenRoutes();
    describeOAuthRoutes();
    describePublishedRoutes();
  }
  return builder;
}
