import * as fc from 'fast-check';
import { answered, hanging, late, lost, unanswered, type Trouble } from '../support/troubles.js';

export const TROUBLES = {
  lost,
  unanswered,
  hanging,
  'late by 3 s': late(3),
  'late by 15 s': late(15),
  busy: answered(503, { error: 'temporarily_unavailable' }),
  'busy for 20 s': answered(503, { error: 'temporarily_unavailable' }, { 'retry-after': '20' }),
  'a page': answered(200, '<html>Accept our terms</html>'),
} satisfies Record<string, Trouble>;

type TroubleName = keyof typeof TROUBLES;

export type Command =
  | {
      readonly do: 'need' | 'fetch' | 'hide' | 'show' | 'kill' | 'goOffline' | 'goOnline';
      readonly who: number;
    }
  | { readonly do: 'open' | 'changeKey' | 'toggleLocks' | 'toggleChannels' }
  | { readonly do: 'logIn' | 'logOut'; readonly who: number }
  | { readonly do: 'pass' | 'sleep' | 'setWall'; readonly seconds: number }
  | {
      readonly do: 'trouble';
      readonly route: 'refresh' | 'logout';
      readonly troubles: readonly TroubleName[];
    };

export interface Run {
  /** of what the client draws: with the same number it draws the same */
  readonly random: number;
  readonly carrier: 'storage' | 'cookie';
  readonly tabs: number;
  readonly commands: readonly Command[];
  /** whether, before the end, a thief copies what is in the storage, and goes on with it */
  readonly thief: { readonly withKey: boolean; readonly waits: number; readonly goesFirst: boolean } | null;
}

const who = fc.nat(5);
const troubles = fc.array(fc.constantFrom(...(Object.keys(TROUBLES) as TroubleName[])), {
  minLength: 1,
  maxLength: 4,
});
const all = <T extends string>(...names: T[]) => fc.constantFrom(...names);

const command: fc.Arbitrary<Command> = fc.oneof(
  { weight: 8, arbitrary: fc.record({ do: all('need', 'fetch'), who }) },
  {
    weight: 8,
    arbitrary: fc.record({ do: all('pass'), seconds: fc.constantFrom(0.01, 1, 5, 12, 60, 250, 300) }),
  },
  {
    weight: 6,
    arbitrary: fc.record({ do: all('sleep'), seconds: fc.constantFrom(60, 290, 301, 3600, 8 * 3600) }),
  },
  { weight: 6, arbitrary: fc.record({ do: all('trouble'), route: all('refresh'), troubles }) },
  { weight: 3, arbitrary: fc.record({ do: all('hide', 'show', 'goOffline', 'goOnline'), who }) },
  { weight: 3, arbitrary: fc.record({ do: all('kill'), who }) },
  { weight: 3, arbitrary: fc.record({ do: all('open') }) },
  { weight: 2, arbitrary: fc.record({ do: all('toggleLocks', 'toggleChannels', 'changeKey') }) },
  { weight: 1, arbitrary: fc.record({ do: all('setWall'), seconds: fc.constantFrom(-7200, 7200) }) },
  { weight: 1, arbitrary: fc.record({ do: all('trouble'), route: all('logout'), troubles }) },
  { weight: 1, arbitrary: fc.record({ do: all('logIn', 'logOut'), who }) },
);

/** Any part of it may be left out and it still makes sense, so a counterexample shrinks well. */
export const run: fc.Arbitrary<Run> = fc.record({
  random: fc.nat(),
  carrier: fc.constantFrom('storage', 'storage', 'cookie'),
  tabs: fc.integer({ min: 1, max: 4 }),
  commands: fc.array(command, { minLength: 15, maxLength: 40, size: 'max' }),
  thief: fc.option(
    fc.record({ withKey: fc.boolean(), waits: fc.constantFrom(0, 5, 400), goesFirst: fc.boolean() }),
  ),
});
