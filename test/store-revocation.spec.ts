import type { RefreshTokenStore } from '../libs/auth/src/core/ports.js';
import { DAY, familyOf, login, rotationOf, worlds, type World } from './support/stores.js';

describe.each(worlds)('families in %s', (_, create) => {
  let world: World;
  let store: RefreshTokenStore;
  beforeAll(async () => {
    world = await create();
    store = world.store;
  });
  afterAll(() => world.close());

  /** @param window seconds */
  async function told(window: number): Promise<string[]> {
    const sids: string[] = [];
    await store.revokedWithin(window * 1000, (sessions) => sids.push(...sessions.map(({ sid }) => sid)));
    return sids;
  }

  describe('a revocation', () => {
    test('ends one family, once, and says whose it was', async () => {
      const given = login();
      await store.insert(given);
      const { familyId: sid } = given.token;
      expect(await store.revoke(sid, 'administrative')).toEqual({ sid, subject: given.subject });
      const family = await familyOf(store, given.token);
      expect(family).toMatchObject({ revocationReason: 'administrative', revokedAt: expect.any(Number) });
      expect(await store.revoke(sid, 'logout')).toBeNull();
      expect(await familyOf(store, given.token)).toEqual(family);
    });

    test('of an unknown family, or for another subject, ends nothing', async () => {
      const given = login();
      await store.insert(given);
      expect(await store.revoke(login().token.familyId, 'logout')).toBeNull();
      expect(await store.revoke(given.token.familyId, 'logout', 'mallory')).toBeNull();
      expect(await familyOf(store, given.token)).toMatchObject({ revokedAt: null });
      expect(await store.revoke(given.token.familyId, 'logout', given.subject)).not.toBeNull();
    });

    test('for reuse ends the family as it was judged, once', async () => {
      const given = login();
      await store.insert(given);
      const judged = await familyOf(store, given.token);
      expect(await store.revokeReused(judged)).toBe(true);
      expect(await store.revokeReused(judged)).toBe(false);
      expect(await familyOf(store, given.token)).toMatchObject({ revocationReason: 'reuse' });
    });

    test('for reuse ends nothing when the family has moved on since it was judged', async () => {
      const given = login();
      await store.insert(given);
      const judged = await familyOf(store, given.token);
      await store.rotate(rotationOf(given.token));
      expect(await store.revokeReused(judged)).toBe(false);
      expect(await familyOf(store, given.token)).toMatchObject({ revokedAt: null });
    });

    test('of a subject ends its living families, the exception apart, and nobody else’s', async () => {
      const [kept, ended, over, other] = ['s', 's', 's', 't'].map((name) =>
        login({ subject: `many ${name}` }),
      );
      for (const each of [kept!, ended!, over!, other!]) await store.insert(each);
      await store.revoke(over!.token.familyId, 'reuse');
      const sid = ended!.token.familyId;
      const revoked = await store.revokeSubject('many s', 'logout', kept!.token.familyId);
      expect(revoked).toEqual([{ sid, subject: 'many s' }]);
      expect(await familyOf(store, over!.token)).toMatchObject({ revocationReason: 'reuse' });
      expect(await familyOf(store, other!.token)).toMatchObject({ revokedAt: null });
      expect(await store.revokeSubject('many s', 'logout')).toHaveLength(1);
      expect(await store.revokeSubject('many s', 'logout')).toEqual([]);
    });

    test('is told to those who ask within the window, and no longer', async () => {
      const [early, late] = [login(), login()];
      for (const { token } of [early, late]) {
        await store.insert({ ...login(), token });
        await store.revoke(token.familyId, 'logout');
        await world.pass(60);
      }
      expect(await told(90)).toContain(late.token.familyId);
      expect(await told(90)).not.toContain(early.token.familyId);
      expect(await told(150)).toEqual(expect.arrayContaining([early.token.familyId, late.token.familyId]));
      expect(await told(30)).toEqual([]);
    });
  });

  describe('the sessions of a subject', () => {
    test('are the living ones, newest first, at most the limit', async () => {
      const given = Array.from({ length: 5 }, () => login({ subject: 'listed' }));
      for (const each of [given[2]!, given[0]!, given[4]!, given[1]!, given[3]!]) await store.insert(each);
      await store.insert(login({ subject: 'someone else' }));
      await store.revoke(given[3]!.token.familyId, 'logout');
      const listed = async (limit: number) =>
        (await store.sessions('listed', limit)).families.map(({ familyId }) => familyId);
      const ids = given.map(({ token }) => token.familyId);
      expect(await listed(10)).toEqual([ids[4], ids[2], ids[1], ids[0]]);
      expect(await listed(2)).toEqual([ids[4], ids[2]]);
      await world.pass(7 * DAY);
      expect(await store.sessions('listed', 10)).toEqual({ now: expect.any(Number), families: [] });
    });
  });
});
