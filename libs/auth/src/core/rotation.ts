import { timingSafeEqual } from 'node:crypto';
import type { Family } from './family.js';

/** What a request presents, once its tag is verified. */
export interface Presented {
  readonly generation: number;
  readonly rootHash: Buffer;
  readonly stepHash: Buffer;
  readonly clientId: string;
  /** hash of the request's Idempotency-Key, null when it sent none */
  readonly attemptHash: Buffer | null;
}

export interface RotationPolicy {
  /** milliseconds; within it is `age < leeway` */
  readonly leeway: number;
}

/** Both on PostgreSQL's clock, in milliseconds since the epoch. */
export interface Moment {
  readonly now: number;
  /** `now` less the time since this node had read the request: its own waiting must not look like theft */
  readonly presentedAt: number;
}

export type Refusal =
  'unknown' | 'forged' | 'revoked' | 'client_mismatch' | 'expired' | 'idle' | 'key_reused' | 'ahead';

export type Verdict =
  | { readonly kind: 'rotate' | 'repeat' | 'advance' }
  | { readonly kind: 'reuse' }
  | { readonly kind: 'retry'; readonly proof: 'leeway' | 'idempotency_key' }
  | { readonly kind: 'refuse'; readonly reason: Refusal };

/** How many lost commits a failover may cost before a token is no longer followed. */
export const MAX_ADVANCE = 8;

/**
 * Judges one presentation of a refresh token against the row of its family. Pure; the first rule that applies decides.
 *
 * Every order below is deliberate: a stranger's token is turned away before anything it could change, and a
 * family that is over is over before reuse is asked about.
 *
 * @see docs/protocol.md, "The judge"
 */
export function decideRotation(
  presented: Presented,
  family: Family | null,
  policy: RotationPolicy,
  moment: Moment,
): Verdict {
  if (!family) return refuse('unknown');
  if (!timingSafeEqual(presented.rootHash, family.rootHash)) return refuse('forged');
  if (family.revokedAt !== null) return refuse('revoked');
  if (presented.clientId !== family.clientId) return refuse('client_mismatch');
  if (moment.now >= family.expiresAt) return refuse('expired');
  if (moment.now >= family.idleExpiresAt) return refuse('idle');

  const withinLeeway = moment.presentedAt - family.rotatedAt < policy.leeway;
  const sameAttempt = equal(presented.attemptHash, family.attemptHash);
  switch (presented.generation - family.generation) {
    case 0:
      if (!equal(presented.stepHash, family.stepHash)) return { kind: 'reuse' };
      // At most one rotation per leeway, so no honest client can hold a grandparent. The first token is exempt:
      // a refresh right after login rotates, as everybody expects.
      if (withinLeeway && family.generation > 0) return { kind: 'repeat' };
      // A key that never changes would let a thief who copied it pass for a retry for ever.
      return sameAttempt ? refuse('key_reused') : { kind: 'rotate' };
    case -1:
      if (!equal(presented.stepHash, family.parentHash)) return { kind: 'reuse' };
      if (withinLeeway) return { kind: 'retry', proof: 'leeway' };
      return sameAttempt ? { kind: 'retry', proof: 'idempotency_key' } : { kind: 'reuse' };
    default:
      return presented.generation > family.generation
        ? beyond(presented.generation - family.generation)
        : { kind: 'reuse' };
  }
}

/** Tag and root prove that we issued it: the database lost commits, the client did nothing wrong. */
function beyond(lost: number): Verdict {
  return lost <= MAX_ADVANCE ? { kind: 'advance' } : refuse('ahead');
}

function refuse(reason: Refusal): Verdict {
  return { kind: 'refuse', reason };
}

function equal(left: Buffer | null, right: Buffer | null): boolean {
  return left !== null && right !== null && timingSafeEqual(left, right);
}
