export { clientAddress } from './throttling/client-address.js';
export { TokenThrottlerGuard } from './throttling/token-throttler.guard.js';
export type { ThrottledRequest } from './throttling/token-throttler.guard.js';
