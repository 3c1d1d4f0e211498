import type { Device, Family } from '../core/family.js';
import { coarseTime } from '../core/lifetime.js';

/** One living login of a subject, as its session list shows it. */
export interface Session {
  readonly sid: string;
  readonly clientId: string;
  readonly issuedAt: Date;
  /** rounded down to the hour, unless the idle lifetime is under a day */
  readonly lastUsedAt: Date;
  /** the absolute end */
  readonly expiresAt: Date;
  readonly scope: string | null;
  readonly device: Device | null;
}

/** @param idleLifetime seconds */
export function toSession(family: Family, idleLifetime: number): Session {
  return {
    sid: family.familyId,
    clientId: family.clientId,
    issuedAt: new Date(family.issuedAt),
    lastUsedAt: new Date(coarseTime(family.rotatedAt, idleLifetime)),
    expiresAt: new Date(family.expiresAt),
    scope: family.scope,
    device: family.device,
  };
}
