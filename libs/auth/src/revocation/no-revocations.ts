import type { RevocationCheck } from '../core/revocation-ports.js';

/** Of a service that hears of no revocation: a token is good until it expires. */
export const NO_REVOCATIONS: RevocationCheck = {
  isRevoked: () => false,
  onRevoked: () => () => {},
};
