import {
  applyStep,
  planKeys,
  planRotation,
  type JudgedSigningKey,
  type KeyPolicy,
  type KeyStep,
  type NewSigningKey,
} from '../libs/auth/src/core/key-schedule.js';

const NOW = 1_000_000;
const candidate: NewSigningKey = {
  kid: 'new',
  algorithm: 'ES256',
  publicKey: { kty: 'EC' },
  privateKey: Buffer.from('sealed'),
  authenticator: Buffer.from('made by us'),
};
const key = (changes: Partial<JudgedSigningKey> = {}): JudgedSigningKey => ({
  ...candidate,
  kid: 'one',
  state: 'pending',
  publishedAt: 1,
  activatedAt: null,
  retiredAt: null,
  verifyUntil: null,
  revokedAt: null,
  standing: 'sound',
  ...changes,
});
const authenticator = Buffer.from('revoked by us');
const other = key({ kid: 'other', state: 'active', activatedAt: 2 });

describe('a step', () => {
  const { standing: _standing, ...added } = key({ kid: 'new', publishedAt: NOW });

  test.each<[rule: string, step: KeyStep, candidate: NewSigningKey | null, after: unknown[]]>([
    [
      'publishes a key that waits, after all others',
      { kind: 'publish', state: 'pending' },
      candidate,
      [key(), other, added],
    ],
    [
      'publishes a key that signs at once',
      { kind: 'publish', state: 'active' },
      candidate,
      [key(), other, { ...added, state: 'active', activatedAt: NOW }],
    ],
    [
      'activates one key',
      { kind: 'activate', kid: 'one' },
      candidate,
      [key({ state: 'active', activatedAt: NOW }), other],
    ],
    [
      'retires one key: it verifies for a while, and can never sign again',
      { kind: 'retire', kid: 'other', verifyFor: 500 },
      candidate,
      [key(), { ...other, state: 'retired', retiredAt: NOW, verifyUntil: NOW + 500, privateKey: null }],
    ],
    [
      'revokes one key: the same, and nothing is left that showed that it was to be believed',
      { kind: 'revoke', kid: 'one', verifyFor: 500, authenticator },
      candidate,
      [
        key({ state: 'revoked', revokedAt: NOW, verifyUntil: NOW + 500, privateKey: null, authenticator }),
        other,
      ],
    ],
    ['deletes one key', { kind: 'delete', kid: 'one' }, candidate, [other]],
    [
      'does nothing to a key that is not there',
      { kind: 'delete', kid: 'unknown' },
      candidate,
      [key(), other],
    ],
  ])('%s', (_, step, given, after) => {
    expect(applyStep([key(), other], step, given, NOW)).toEqual(after);
  });

  test.each<[rule: string, given: NewSigningKey | null]>([
    ['where there is none', null],
    ['that is there already', { ...candidate, kid: 'other' }],
  ])('that should publish a key %s fails', (_, given) => {
    expect(() => applyStep([key(), other], { kind: 'publish', state: 'active' }, given, NOW)).toThrow(
      /key to publish/,
    );
  });

  test('adds the first key of all', () => {
    expect(applyStep([], { kind: 'publish', state: 'pending' }, candidate, NOW)).toEqual([added]);
  });

  test('that ends a key twice does not lengthen its verifying', () => {
    const retired = key({ state: 'retired', retiredAt: 3, verifyUntil: NOW + 7 });
    const revoke: KeyStep = { kind: 'revoke', kid: 'one', verifyFor: 500, authenticator };
    const [revoked] = applyStep([retired], revoke, null, NOW);
    expect(revoked).toMatchObject({ state: 'revoked', retiredAt: 3, verifyUntil: NOW + 7 });
  });

  test('changes no list that it was given', () => {
    const before = [key(), other];
    for (const kind of ['activate', 'delete'] as const) applyStep(before, { kind, kid: 'one' }, null, NOW);
    applyStep(before, { kind: 'publish', state: 'pending' }, candidate, NOW);
    expect(before).toEqual([key(), other]);
  });
});

describe('the calendar counts', () => {
  const policy: KeyPolicy = { algorithm: 'ES256', rotateEvery: 1000, publishLead: 100, verifyFor: 200 };
  const active = (changes: Partial<JudgedSigningKey>) => key({ kid: 'active', state: 'active', ...changes });
  const publish: KeyStep = { kind: 'publish', state: 'pending' };

  test.each<[rule: string, signing: JudgedSigningKey, due: number]>([
    [
      'from the moment a key began to sign, not from its publication',
      active({ publishedAt: 50, activatedAt: 400 }),
      1300,
    ],
    ['from its publication where it signed at once', active({ publishedAt: 50 }), 950],
  ])('%s', (_, signing, due) => {
    expect(planKeys([signing], policy, due - 1)).toEqual([]);
    expect(planKeys([signing], policy, due)).toEqual([publish]);
  });

  test('a key of another configuration from its publication, too', () => {
    const keys = [active({ activatedAt: 5000 }), key({ publishedAt: 5000, standing: 'foreign' })];
    const gone: KeyStep = { kind: 'delete', kid: 'one' };
    expect(planKeys(keys, policy, 5199)).toEqual([]);
    expect(planKeys(keys, policy, 5200)).toEqual([gone]);
    expect(planKeys(keys, policy, 4800)).toEqual([gone]);
    expect(planRotation(keys, policy, 5199)).toEqual([]);
    expect(planRotation(keys, policy, 5200)).toEqual([gone, publish]);
  });

  test('never against a key that is sound, however late it is noticed', () => {
    expect(planKeys([active({ activatedAt: 0 }), key()], policy, 900_000)).toEqual([
      { kind: 'retire', kid: 'active', verifyFor: 200 },
      { kind: 'activate', kid: 'one' },
    ]);
  });
});
