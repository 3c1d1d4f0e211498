/**
 * One login: the row behind every refresh token that descends from it.
 *
 * Times are milliseconds since the epoch on PostgreSQL's clock. Hashes are SHA-256, 32 bytes.
 */
export interface Family {
  readonly familyId: string;
  readonly subject: string;
  readonly clientId: string;
  /** how many rotations so far */
  readonly generation: number;
  readonly rootHash: Buffer;
  readonly stepHash: Buffer;
  readonly parentHash: Buffer | null;
  /** hash of the Idempotency-Key of the request that rotated the parent */
  readonly attemptHash: Buffer | null;
  /** id of the key the current token is encoded under */
  readonly keyId: number;
  readonly issuedAt: number;
  readonly rotatedAt: number;
  readonly idleExpiresAt: number;
  readonly expiresAt: number;
  readonly revokedAt: number | null;
  readonly revocationReason: RevocationReason | null;
  readonly scope: string | null;
  readonly claims: Claims | null;
  readonly device: Device | null;
}

export type Claims = Readonly<Record<string, unknown>>;

/** What the session list shows about where a login came from, as the application describes it. */
export type Device = Readonly<Record<string, string | number | boolean | null>>;

/** What an answer needs of a family, whichever path allowed it. */
export type Grant = Pick<
  Family,
  'familyId' | 'subject' | 'clientId' | 'scope' | 'claims' | 'issuedAt' | 'idleExpiresAt' | 'expiresAt'
>;

export const REVOCATION_REASONS = [
  'logout',
  'reuse',
  'subject_refused',
  'administrative',
  'password_change',
  'session_limit',
  'restored',
] as const;

export type RevocationReason = (typeof REVOCATION_REASONS)[number];
