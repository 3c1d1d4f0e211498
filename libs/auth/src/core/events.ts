import type { RevocationReason } from './family.js';

interface FamilyEvent {
  readonly sid: string;
  readonly subject: string;
  readonly clientId: string;
  /** of the token that was presented, or of the first one */
  readonly generation: number;
}

/**
 * What happened to a family, told after its change, if any, was committed; `issued` inside the application's own
 * transaction when it is written. Holds no token, no hash and no key.
 *
 * `reused` and `revoked` are told once for each family, by the node whose statement ended it.
 */
export type TokenEvent =
  | ({ readonly type: 'issued' } & FamilyEvent)
  | ({ readonly type: 'rotated' } & FamilyEvent)
  | ({ readonly type: 'repeated' } & FamilyEvent)
  /** `late` retries were proved by their Idempotency-Key alone: worth a look when one subject has many */
  | ({ readonly type: 'retried'; readonly late: boolean } & FamilyEvent)
  /** the database had lost `lost` commits of this family: a failover */
  | ({ readonly type: 'advanced'; readonly lost: number } & FamilyEvent)
  /** a good tag over a root that is not the family's: a refresh-token key has leaked */
  | ({ readonly type: 'forged' } & FamilyEvent)
  /** a consumed token came back: theft; the family is over */
  | ({ readonly type: 'reused' } & FamilyEvent)
  | {
      readonly type: 'revoked';
      readonly sid: string;
      readonly subject: string;
      readonly reason: RevocationReason;
    };

export type TokenEventType = TokenEvent['type'];
