/** For an application that describes its routes with `@nestjs/swagger`, which nothing else of this package needs. */
export { ApiAccess } from './openapi/api-access.js';
export { ApiClient } from './openapi/api-client.js';
export { ApiTokenResponse } from './openapi/api-token-response.js';
export { describeTokens } from './openapi/describe-tokens.js';
