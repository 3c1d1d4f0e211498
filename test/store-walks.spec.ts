import type { RefreshTokenStore, RevokedFamily } from '../libs/auth/src/core/ports.js';
import { DAY, familyOf, HOUR, login, worlds, type World } from './support/stores.js';

const KEEP = DAY * 1000;

describe.each(worlds)('families in %s', (_, create) => {
  let world: World;
  let store: RefreshTokenStore;
  beforeEach(async () => {
    world = await create();
    store = world.store;
  });
  afterEach(() => world.close());

  async function ended(which: { clientId?: string } = {}): Promise<RevokedFamily[]> {
    const taken: RevokedFamily[] = [];
    await store.revokeEvery(which, 'administrative', (families) => {
      taken.push(...families);
    });
    return taken;
  }

  /** Every step of one run. */
  async function deleted(keep = KEEP): Promise<number> {
    let count = 0;
    let after: string | null = null;
    do {
      const page: { deleted: number; next: string | null } = await store.deleteOver(keep, after);
      count += page.deleted;
      after = page.next;
    } while (after !== null);
    return count;
  }

  describe('the end of everyone', () => {
    test('ends what lives, once, tells whose it was, and leaves what had ended its reason', async () => {
      const [one, other, over] = [login(), login(), login()];
      for (const each of [one, other, over]) await store.insert(each);
      await store.revoke(over.token.familyId, 'reuse');
      const told = await ended();
      expect(told).toHaveLength(2);
      expect(told).toContainEqual({ sid: one.token.familyId, subject: one.subject });
      expect(told).toContainEqual({ sid: other.token.familyId, subject: other.subject });
      expect(await familyOf(store, one.token)).toMatchObject({
        revocationReason: 'administrative',
        revokedAt: expect.any(Number),
      });
      expect(await familyOf(store, over.token)).toMatchObject({ revocationReason: 'reuse' });
      expect(await ended()).toEqual([]);
    });

    test('of one client ends its families alone', async () => {
      const [web, phone] = [login(), login({ clientId: 'phone' })];
      await store.insert(web);
      await store.insert(phone);
      expect(await ended({ clientId: 'phone' })).toEqual([
        { sid: phone.token.familyId, subject: phone.subject },
      ]);
      expect(await familyOf(store, web.token)).toMatchObject({ revokedAt: null });
    });

    test('leaves the next login alone', async () => {
      await ended();
      const next = login();
      await store.insert(next);
      expect(await familyOf(store, next.token)).toMatchObject({ revokedAt: null });
    });
  });

  describe('the deletion of what is over', () => {
    test('waits for the absolute end of a family and then for the keep, revoked and idle ones as well', async () => {
      const [idle, revoked] = [login(), login()];
      for (const each of [idle, revoked]) await store.insert(each);
      await store.revoke(revoked.token.familyId, 'reuse');
      await world.pass(31 * DAY - HOUR);
      expect(await deleted()).toBe(0);
      expect(await familyOf(store, revoked.token)).toMatchObject({ revocationReason: 'reuse' });
      await world.pass(2 * HOUR);
      expect(await deleted()).toBe(2);
      expect((await store.look(idle.token.familyId)).family).toBeNull();
      expect((await store.look(revoked.token.familyId)).family).toBeNull();
    });

    test('leaves a family that lives where it is', async () => {
      const living = login();
      await store.insert(living);
      expect(await deleted(0)).toBe(0);
      expect(await familyOf(store, living.token)).toMatchObject({ subject: living.subject });
    });
  });
});
