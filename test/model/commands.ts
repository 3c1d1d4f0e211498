import * as fc from 'fast-check';
import type { Fate } from './client.js';
import type { ThiefKey } from './thief.js';

export type Command =
  | {
      readonly do: 'refresh' | 'send' | 'deliverAgain' | 'logout' | 'revokeAll';
      readonly who: number;
      readonly node: number;
    }
  | {
      readonly do: 'deliver';
      readonly who: number;
      readonly node: number;
      readonly index: number;
      readonly fate: Fate;
    }
  | { readonly do: 'deliverAll'; readonly who: number; readonly fates: readonly Fate[] }
  | { readonly do: 'copy'; readonly who: number; readonly withKey: boolean }
  | { readonly do: 'steal'; readonly who: number; readonly node: number; readonly key: ThiefKey }
  | { readonly do: 'forge'; readonly who: number; readonly node: number; readonly kind: Forgery }
  | { readonly do: 'haunt'; readonly who: number; readonly node: number; readonly index: number }
  | { readonly do: 'passTime'; readonly seconds: number }
  | { readonly do: 'setClock'; readonly days: number };

export type Forgery = 'root' | 'root, ahead' | 'root and step' | 'step' | 'tag';

export interface Run {
  /** of each client: whether it uses Idempotency-Keys; the first two are the same user's */
  readonly usesKeys: readonly boolean[];
  readonly victimIsSecond: boolean;
  readonly commands: readonly Command[];
}

const MINUTE = 60;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

const who = fc.constantFrom(0, 0, 0, 1, 2);
const node = fc.nat(1);
const index = fc.nat(5);
const fate = fc.constantFrom<Fate>('answered', 'answered', 'unanswered', 'lost');
const seconds = fc.oneof(
  { weight: 8, arbitrary: fc.constantFrom(20, 40, MINUTE) },
  { weight: 3, arbitrary: fc.constantFrom(5 * MINUTE, HOUR, 8 * HOUR) },
  { weight: 1, arbitrary: fc.constantFrom(3 * DAY, 5 * DAY, 8 * DAY) },
);

const command: fc.Arbitrary<Command> = fc.oneof(
  { weight: 16, arbitrary: fc.record({ do: fc.constant('refresh' as const), who, node }) },
  { weight: 8, arbitrary: fc.record({ do: fc.constant('send' as const), who, node }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constant('deliver' as const), who, node, index, fate }) },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('deliverAll' as const),
      who,
      fates: fc.array(fate, { minLength: 1, maxLength: 3 }),
    }),
  },
  { weight: 12, arbitrary: fc.record({ do: fc.constant('passTime' as const), seconds }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('deliverAgain' as const), who, node }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('copy' as const), who, withKey: fc.boolean() }) },
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant('steal' as const),
      who,
      node,
      key: fc.constantFrom<ThiefKey>('copied', 'own', 'none'),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('forge' as const),
      who,
      node,
      kind: fc.constantFrom<Forgery>('root', 'root, ahead', 'root and step', 'step', 'tag'),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('haunt' as const), who, node, index }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('logout' as const), who, node }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('revokeAll' as const), who, node }) },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant('setClock' as const), days: fc.constantFrom(-40, 0, 1, 40) }),
  },
);

/** Any part of it may be left out and it still makes sense, so a counterexample shrinks well. */
export const run: fc.Arbitrary<Run> = fc.record({
  usesKeys: fc.tuple(fc.boolean(), fc.boolean(), fc.boolean()),
  victimIsSecond: fc.boolean(),
  commands: fc.array(command, { minLength: 20, maxLength: 40, size: 'max' }),
});
