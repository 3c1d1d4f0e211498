import { me, type Answer } from '../../support/http.js';
import {
  DOORS,
  expectOver,
  INVALID_GRANT,
  onBothRefreshing,
  present,
  refusalOf,
  rowOf,
  type Door,
  type World,
} from './fixture.js';

const token = ({ body }: Answer) => String(body['refresh_token']);
const accessToken = ({ body }: Answer) => String(body['access_token']);

/** How many events of this kind both nodes told of alice's session. */
function tellings({ nodes, pair }: World, type: string): number {
  return nodes
    .flatMap(({ events }) => events)
    .filter((event) => event.type === type && event.sid === pair.sid).length;
}

onBothRefreshing((world) => {
  describe.each(DOORS)('%s', (door) => {
    const spend = (text: string, node: 0 | 1 = 0) => present(world.nodes[node], door, text);

    test('R7 the parent within the leeway gets the same successor, on any node', async () => {
      const first = await spend(world.pair.refreshToken);
      const second = await spend(world.pair.refreshToken, 1);
      expect([first.status, second.status, token(second)]).toEqual([200, 200, token(first)]);
    });

    test('R8 the parent after the leeway ends the family, its access tokens too, and is told once', async () => {
      const first = await spend(world.pair.refreshToken);
      await world.database.passTime(60);
      expect(refusalOf(await spend(world.pair.refreshToken, 1))).toEqual(INVALID_GRANT);
      await expectOver(
        world,
        [world.pair.refreshToken, token(first)],
        [world.pair.accessToken, accessToken(first)],
      );
      expect([tellings(world, 'reused'), tellings(world, 'revoked')]).toEqual([1, 1]);
    });

    test('R9 a grandparent within the leeway ends the family', async () => {
      const first = await spend(world.pair.refreshToken);
      await world.database.passTime(60);
      const second = await spend(token(first));
      expect(second.status).toBe(200);
      expect(refusalOf(await spend(world.pair.refreshToken))).toEqual(INVALID_GRANT);
      await expectOver(world, [token(first), token(second)], [accessToken(second)]);
    });

    test('R10 within the leeway a token may be repeated as often as it takes: to stop would log somebody out', async () => {
      const first = await spend(world.pair.refreshToken);
      for (let round = 0; round < 30; round++)
        expect(token(await spend(world.pair.refreshToken, round % 2 === 0 ? 0 : 1))).toBe(token(first));
      expect((await rowOf(world, world.pair.sid)).generation).toBe(1);
    });

    test('R11 a family that is over grows no more, and is not told of again', async () => {
      const first = await spend(world.pair.refreshToken);
      await world.database.passTime(60);
      await spend(world.pair.refreshToken);
      const before = await rowOf(world, world.pair.sid);
      for (let round = 0; round < 100; round++) {
        const old = round % 2 === 0 ? world.pair.refreshToken : token(first);
        expect(refusalOf(await spend(old, round % 3 === 0 ? 1 : 0))).toEqual(INVALID_GRANT);
      }
      expect(await rowOf(world, world.pair.sid)).toEqual(before);
      expect(tellings(world, 'reused')).toBe(1);
    });

    test('R12 a late replay beside a rotation leaves one living token or none, in each of 15 rounds', async () => {
      for (let round = 0; round < 15; round++) {
        const pair = await world.nodes[0].tokens.issue('racer');
        const current = token(await spend(pair.refreshToken));
        await world.database.query(
          `update refresh_token set rotated_at = rotated_at - interval '1 minute' where family_id = $1`,
          [pair.sid],
        );
        const [rotation] = await Promise.all([spend(current, 0), spend(pair.refreshToken, 1)]);
        const { revoked_at } = await rowOf(world, pair.sid);
        expect(revoked_at).not.toBeNull();
        const left = [pair.refreshToken, current, ...(rotation.status === 200 ? [token(rotation)] : [])];
        await expectOver(world, left);
      }
    });

    test('R13 200 uses of one token at once on two nodes rotate once, and all get the one successor', async () => {
      const uses = await Promise.all(
        Array.from({ length: 200 }, (_, at) => spend(world.pair.refreshToken, at % 2 === 0 ? 0 : 1)),
      );
      expect(new Set(uses.map(({ status }) => status))).toEqual(new Set([200]));
      expect(new Set(uses.map(token)).size).toBe(1);
      expect(tellings(world, 'rotated')).toBe(1);
      expect((await rowOf(world, world.pair.sid)).generation).toBe(1);
    });
  });

  const ends: [
    title: string,
    end: (sid: string, subject: string, refreshToken: string) => Promise<unknown>,
  ][] = [
    [
      'R14 a logout',
      (_, __, refreshToken) =>
        fetch(`${world.nodes[1].url}/auth/logout`, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify({ refresh_token: refreshToken }),
        }),
    ],
    ['R15 the end of a subject’s sessions', (_, subject) => world.nodes[1].tokens.revokeAll(subject)],
    ['R15 a changed password', (_, subject) => world.nodes[1].tokens.passwordChanged(subject)],
  ];

  test.each(ends)('%s beside a refresh is outlived by no token, in each of 40 rounds', async (_, end) => {
    for (let round = 0; round < 40; round++) {
      const door: Door = DOORS[round % 2]!;
      const subject = `racer ${round}`;
      const pair = await world.nodes[0].tokens.issue(subject);
      const refreshing = () => present(world.nodes[0], door, pair.refreshToken);
      const ending = () => end(pair.sid, subject, pair.refreshToken);
      const [answer] =
        round % 4 < 2
          ? await Promise.all([refreshing(), ending()])
          : ((await Promise.all([ending(), refreshing()])).toReversed() as [Answer, unknown]);
      const won = answer.status === 200;
      await expectOver(
        world,
        [pair.refreshToken, ...(won ? [token(answer)] : [])],
        won ? [accessToken(answer), pair.accessToken] : [pair.accessToken],
      );
    }
  });
});

describe('a subject that is disabled', () => {
  let isDisabled = false;
  onBothRefreshing(
    (world) => {
      beforeEach(() => {
        isDisabled = false;
      });

      test.each(DOORS)('R15 gets nothing more at %s, and its session has ended for good', async (door) => {
        const first = await present(world.nodes[0], door, world.pair.refreshToken);
        isDisabled = true;
        await world.database.passTime(60);
        expect(refusalOf(await present(world.nodes[1], door, token(first)))).toEqual(INVALID_GRANT);
        isDisabled = false;
        await expectOver(world, [world.pair.refreshToken, token(first)], [accessToken(first)]);
        expect((await me(world.nodes[0], world.other.accessToken)).status).toBe(200);
      });
    },
    { claims: () => (isDisabled ? null : {}) },
  );
});
