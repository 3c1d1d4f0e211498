import { check, report } from '../checker.js';
import type { Scene } from '../clients.js';
import { HttpDoor, type Door } from '../door.js';
import { demand } from '../fault.js';
import { History, rowsOf } from '../history.js';
import { play, type Cast } from '../play.js';
import { Random } from '../random.js';
import type { TestDatabase } from '../../support/database.js';

interface Stakes {
  readonly database: TestDatabase;
  readonly places: readonly (Pick<Door, 'name' | 'sendsAgain'> & { readonly url: string })[];
  readonly seed: number;
  /** milliseconds */
  readonly leeway: number;
  readonly accessEndsWithin: number;
}

/**
 * Lets a cast live while `work` goes on, and holds what it saw against every promise.
 *
 * @returns how much was seen
 * @throws {Error} a promise was broken; the message says which, and of which family
 */
export async function playAndCheck(
  stakes: Stakes,
  cast: Cast,
  work: () => Promise<unknown>,
): Promise<string> {
  const { database, places, seed, leeway, accessEndsWithin } = stakes;
  const history = new History();
  const doors = places.map((place) => new HttpDoor(place, 5_000));
  const scene: Scene = { doors, history, random: new Random(seed), leeway, pause: 60, lag: 300 };
  await play(scene, cast, work);
  const rows = await rowsOf(database, history.families());
  const broken = check(history, rows, { leeway, accessEndsWithin, clocksAreRight: true });
  demand(broken.length === 0, report(broken));
  const { operations } = history;
  const refreshes = operations.filter(({ kind }) => kind === 'refresh');
  const unanswered = operations.filter(({ outcome }) => outcome === 'unknown').length;
  demand(
    refreshes.some(({ outcome }) => outcome === 'ok'),
    'nobody refreshed anything',
  );
  return `${operations.length} operations, ${refreshes.length} refreshes, ${unanswered} unanswered, no promise broken`;
}
