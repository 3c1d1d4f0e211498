import { UnavailableError } from '../core/errors.js';
import type { Family, Grant, RevocationReason } from '../core/family.js';
import type { Stamped } from '../core/ports.js';

/** A row as PostgreSQL sends it, in text, before any type parser. */
export type Row = readonly (string | null)[];

/**
 * Reads the columns of GRANT (statements.ts) and the time of the statement behind them.
 *
 * @param idleLifetime seconds, as the statement that made the row slid it
 */
export function readGrant(row: Row, familyId: string, idleLifetime: number): Grant & Stamped {
  const [subject, clientId, scope, claims, login, end, time] = row;
  const expiresAt = Number(end);
  const now = Number(time);
  return {
    familyId,
    subject: subject!,
    clientId: clientId!,
    scope: scope!,
    claims: readJson(claims),
    issuedAt: Number(login),
    idleExpiresAt: Math.min(now + idleLifetime * 1000, expiresAt),
    expiresAt,
    now,
  };
}

/**
 * The time in the first column of a reading; the second tells whether a standby answered. That may lack the last
 * commits, and a verdict on old facts could end a family that is well, or have two keys active.
 */
export function primaryTime(row: Row): number {
  if (row[1] === 't') {
    throw new UnavailableError('ERR_STORE_UNAVAILABLE', { cause: new Error('The database is a standby') });
  }
  return Number(row[0]);
}

/** Reads the columns of FAMILY (statements.ts) from `offset` on; null where the outer join found no row. */
export function readFamily(row: Row, offset: number): Family | null {
  const column = (index: number) => row[offset + index] ?? null;
  if (column(0) === null) return null;
  const revokedAt = column(13);
  return {
    familyId: column(0)!,
    subject: column(1)!,
    clientId: column(2)!,
    generation: Number(column(3)),
    rootHash: Buffer.from(column(4)!, 'hex'),
    stepHash: Buffer.from(column(5)!, 'hex'),
    parentHash: readHash(column(6)),
    attemptHash: readHash(column(7)),
    keyId: Number(column(8)),
    issuedAt: Number(column(9)),
    rotatedAt: Number(column(10)),
    idleExpiresAt: Number(column(11)),
    expiresAt: Number(column(12)),
    revokedAt: revokedAt === null ? null : Number(revokedAt),
    revocationReason: column(14) as RevocationReason | null,
    scope: column(15),
    claims: readJson(column(16)),
    device: readJson(column(17)),
  };
}

function readHash(hex: string | null): Buffer | null {
  return hex === null ? null : Buffer.from(hex, 'hex');
}

function readJson(text: string | null | undefined): Record<string, never> | null {
  return text == null ? null : (JSON.parse(text) as Record<string, never>);
}
