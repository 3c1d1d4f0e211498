import type { Family } from '../libs/auth/src/core/family.js';
import type { RefreshTokenStore, Rotation } from '../libs/auth/src/core/ports.js';
import { sha256 } from '../libs/auth/src/core/refresh-token.js';
import {
  codec,
  DAY,
  familyOf,
  HOUR,
  LEEWAY,
  login,
  rotationOf,
  worlds,
  type World,
} from './support/stores.js';

describe.each(worlds)('families in %s', (_, create) => {
  let world: World;
  let store: RefreshTokenStore;
  beforeAll(async () => {
    world = await create();
    store = world.store;
  });
  afterAll(() => world.close());

  describe('a login', () => {
    test('is a family at generation 0, with all that was given and the lifetimes configured', async () => {
      const claims = { roles: ['admin'], deep: { er: [1, null] } };
      const device = { agent: 'Mozilla — “quoted”', seen: 5, trusted: true, note: null };
      const given = login({ scope: 'read write', claims, device });
      const grant = await store.insert(given);
      const family = await familyOf(store, given.token);
      expect(family).toEqual({
        familyId: given.token.familyId,
        subject: given.subject,
        clientId: 'web',
        generation: 0,
        rootHash: given.token.rootHash,
        stepHash: given.token.stepHash,
        parentHash: null,
        attemptHash: null,
        keyId: 1,
        issuedAt: grant.now,
        rotatedAt: grant.now,
        idleExpiresAt: grant.now + 7 * DAY * 1000,
        expiresAt: grant.now + 30 * DAY * 1000,
        revokedAt: null,
        revocationReason: null,
        scope: 'read write',
        claims,
        device,
      } satisfies Family);
      const { idleExpiresAt, expiresAt } = family;
      expect(grant).toMatchObject({ scope: 'read write', claims, idleExpiresAt, expiresAt });
    });

    test('whose device text holds what a database cannot store is a login all the same', async () => {
      const literal = 'C:\\u0000 \\\\ud800';
      const given = login({ device: { literal, agent: 'before\0after', half: 'a\ud800b', 'na\0me': 'x' } });
      await store.insert(given);
      expect((await familyOf(store, given.token)).device).toMatchObject({
        literal,
        agent: expect.stringMatching(/^before.?after$/),
      });
    });

    test('is unknown before it happened', async () => {
      expect(await store.look(login().token.familyId)).toEqual({ now: expect.any(Number), family: null });
    });
  });

  describe('a rotation', () => {
    test('makes the current token the parent and its successor the current one', async () => {
      const given = login({ scope: 'read', claims: { plan: 'pro' } });
      const before = await store.insert(given);
      const rotation = rotationOf(given.token, { attemptHash: sha256('key') });
      const grant = await store.rotate(rotation);
      expect(grant).toMatchObject({ scope: 'read', claims: { plan: 'pro' }, expiresAt: before.expiresAt });
      expect(await familyOf(store, given.token)).toMatchObject({
        generation: 1,
        stepHash: rotation.successor.stepHash,
        parentHash: given.token.stepHash,
        attemptHash: sha256('key'),
        rotatedAt: grant!.now,
        issuedAt: before.now,
        idleExpiresAt: expect.closeTo(grant!.idleExpiresAt, 0),
      });
    });

    test('slides the idle end, and never beyond the absolute one', async () => {
      const { token } = login();
      await store.insert({ ...login(), token });
      let current = token;
      for (const daysLeft of [24, 18, 12, 6]) {
        await world.pass(6 * DAY);
        const { expiresAt, idleExpiresAt, now } = (await store.rotate(rotationOf(current)))!;
        expect(expiresAt - now).toBeCloseTo(daysLeft * DAY * 1000, -4);
        expect(idleExpiresAt - now).toBeCloseTo(Math.min(7, daysLeft) * DAY * 1000, -4);
        expect(idleExpiresAt).toBeLessThanOrEqual(expiresAt);
        current = codec.successor(current);
      }
      await world.pass(6 * DAY);
      expect(await store.rotate(rotationOf(current))).toBeNull();
    });

    test.each<[string, (current: Rotation['token']) => Partial<Rotation>]>([
      ['another generation', (token) => ({ token: { ...token, generation: 2 } })],
      ['another root', (token) => ({ token: { ...token, rootHash: sha256('other') } })],
      ['another step', (token) => ({ token: { ...token, stepHash: sha256('other') } })],
      ['another family', (token) => ({ token: { ...token, familyId: login().token.familyId } })],
      ['another client', () => ({ clientId: 'phone' })],
      ['the key that consumed the parent', () => ({ attemptHash: sha256('key of the parent') })],
    ])('with %s writes nothing, and the right one then succeeds', async (_title, change) => {
      const given = login();
      await store.insert(given);
      await store.rotate(rotationOf(given.token, { attemptHash: sha256('key of the parent') }));
      await world.pass(LEEWAY);
      const current = codec.successor(given.token);
      const before = await familyOf(store, current);
      expect(await store.rotate(rotationOf(current, change(current)))).toBeNull();
      expect(await familyOf(store, current)).toEqual(before);
      expect(await store.rotate(rotationOf(current))).not.toBeNull();
    });

    test('within the leeway of the last one is null, and the first token is exempt', async () => {
      const given = login();
      await store.insert(given);
      expect(await store.rotate(rotationOf(given.token))).not.toBeNull();
      const current = codec.successor(given.token);
      await world.pass(LEEWAY / 2);
      expect(await store.rotate(rotationOf(current))).toBeNull();
      await world.pass(LEEWAY / 2);
      expect(await store.rotate(rotationOf(current, { waited: 5_000 }))).toBeNull();
      expect(await store.rotate(rotationOf(current))).not.toBeNull();
    });

    test('after an end is null: idle, expired, or revoked', async () => {
      const [idle, revoked] = [login(), login()];
      await store.insert(idle);
      await store.insert(revoked);
      await store.revoke(revoked.token.familyId, 'logout');
      expect(await store.rotate(rotationOf(revoked.token))).toBeNull();
      await world.pass(7 * DAY);
      expect(await store.rotate(rotationOf(idle.token))).toBeNull();
    });

    test('of a token already spent is null', async () => {
      const given = login();
      await store.insert(given);
      await store.rotate(rotationOf(given.token));
      await world.pass(HOUR);
      expect(await store.rotate(rotationOf(given.token))).toBeNull();
    });
  });

  /** A family whose client holds a token two rotations beyond the row. */
  async function behind() {
    const given = login();
    await store.insert(given);
    const lost = codec.successor(codec.successor(given.token));
    return { lost, judged: await familyOf(store, given.token) };
  }

  describe('after a failover that lost commits', () => {
    test('a token beyond the row is followed', async () => {
      const { lost, judged } = await behind();
      const rotation = rotationOf(lost, { attemptHash: sha256('key') });
      expect(await store.advance(rotation, judged)).toMatchObject({ familyId: lost.familyId });
      expect(await familyOf(store, lost)).toMatchObject({
        generation: 3,
        stepHash: rotation.successor.stepHash,
        parentHash: lost.stepHash,
        attemptHash: sha256('key'),
        expiresAt: judged.expiresAt,
      });
    });

    test('nothing is followed when the row has changed since it was judged', async () => {
      const { lost, judged } = await behind();
      await store.advance(rotationOf(lost), judged);
      expect(await store.advance(rotationOf(codec.successor(lost)), judged)).toBeNull();
    });

    test('nothing is followed into a family that is over', async () => {
      const { lost, judged } = await behind();
      await store.revoke(lost.familyId, 'logout');
      expect(await store.advance(rotationOf(lost), judged)).toBeNull();
      const idle = await behind();
      await world.pass(7 * DAY);
      expect(await store.advance(rotationOf(idle.lost), idle.judged)).toBeNull();
    });
  });
});
