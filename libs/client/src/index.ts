export { TokenClientError, type TokenClientErrorCode } from './errors.js';
export type { TokenClientOptions } from './options.js';
export type { Session, SessionChange } from './session.js';
export type { TokenStorage } from './storage.js';
export { createTokenClient, type TokenClient } from './token-client.js';
export type { TokenResponse } from './token-response.js';
export { memoryStorage, webStorage } from './storages.js';
