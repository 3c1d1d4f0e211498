import { createHmac, generateKeyPairSync, randomBytes, sign, verify, type KeyObject } from 'node:crypto';
import { ConfigError, UnavailableError } from '../libs/auth/src/core/errors.js';
import type { KeyPolicy } from '../libs/auth/src/core/key-schedule.js';
import type { Clock, SigningKeyStore } from '../libs/auth/src/core/ports.js';
import { KeyEncryption } from '../libs/auth/src/jwt/key-encryption.js';
import { KeyRing } from '../libs/auth/src/jwt/key-ring.js';
import { ManagedKeys } from '../libs/auth/src/jwt/managed-keys.js';
import { SigningKeyService } from '../libs/auth/src/jwt/signing-key.service.js';
import { thumbprint } from '../libs/auth/src/jwt/signing-keys.js';
import { TypeOrmSigningKeyStore } from '../libs/auth/src/storage/typeorm-signing-key.store.js';
import { createDatabase, type TestDatabase } from './support/database.js';
import { impatientOptions, passKeyTime, storeOptions } from './support/signing-keys.js';
import { policy } from './support/stored-keys.js';

const { publishLead, verifyFor } = policy;
const COOL_DOWN = 5000;
const kek = { id: 1, secret: randomBytes(32) };
const nextKek = { id: 2, secret: randomBytes(32) };

let database: TestDatabase;
beforeEach(async () => {
  database = await createDatabase();
});
afterEach(() => database.drop());

interface Node {
  readonly keys: ManagedKeys;
  readonly ring: KeyRing;
  readonly errors: string[];
  readonly logs: string[];
  /** the node's own clocks, in milliseconds */
  readonly time: { monotonic: number; wall: number };
  /** how often the store was asked */
  readonly asked: { load: number; change: number };
  /** the new keys the store was given */
  readonly offered: string[];
  /** what the store does instead, while set */
  outage: Error | null;
  /** what the store's answer waits for on its way to the node */
  underway: () => Promise<unknown>;
  /** changes are made, and their answers never arrive */
  losesAnswers: boolean;
}

/** A node that has not started. */
async function node({
  encryptionKeys = [kek],
  changes = {},
  database: settings = storeOptions.database,
}: {
  encryptionKeys?: (typeof kek)[];
  changes?: Partial<KeyPolicy>;
  database?: typeof storeOptions.database;
} = {}): Promise<Node> {
  const store = new TypeOrmSigningKeyStore(await database.connect({ poolSize: 2 }), { database: settings });
  const time = { monotonic: 0, wall: Date.UTC(2026, 0, 1) };
  const clock: Clock = { now: () => time.wall, monotonic: () => time.monotonic };
  const asked = { load: 0, change: 0 };
  const [errors, logs]: string[][] = [[], []];
  const watched: SigningKeyStore = {
    load: async () => {
      asked.load++;
      if (made.outage) throw made.outage;
      const answer = await store.load();
      await made.underway();
      return answer;
    },
    change: async (candidate, decide) => {
      asked.change++;
      if (candidate) made.offered.push(candidate.kid);
      const answer = await store.change(candidate, decide);
      if (made.losesAnswers) throw new UnavailableError('ERR_STORE_UNAVAILABLE');
      return answer;
    },
  };
  const ring = new KeyRing();
  const logger = {
    error: (line: string) => void errors!.push(line),
    log: (line: string) => void logs!.push(line),
  };
  const encryption = new KeyEncryption(encryptionKeys);
  const keys = new ManagedKeys(
    watched,
    ring,
    encryption,
    { ...policy, ...changes },
    clock,
    logger,
    COOL_DOWN,
  );
  const made: Node = {
    keys,
    ring,
    errors: errors!,
    logs: logs!,
    time,
    asked,
    offered: [],
    outage: null,
    underway: async () => {},
    losesAnswers: false,
  };
  return made;
}

async function started(...settings: Parameters<typeof node>): Promise<Node> {
  const made = await node(...settings);
  await made.keys.start();
  return made;
}

const encryption = new KeyEncryption([kek]);

interface KeyRow {
  kid: string;
  state: string;
  private_key: Buffer | null;
  authenticator: Buffer;
}

const rows = () => database.query<KeyRow>('select * from signing_key order by published_at, kid');
const pass = (time: number) => passKeyTime(database, time);

async function states(): Promise<Record<string, string[]>> {
  const byState: Record<string, string[]> = {};
  for (const { kid, state } of await rows()) (byState[state] ??= []).push(kid);
  return byState;
}

interface Forgery {
  readonly algorithm?: string;
  readonly sealed?: Buffer | null;
  readonly authenticator?: Buffer;
  /** milliseconds since it was published */
  readonly age?: number;
}

/** Writes a row past every node; answers its kid. */
async function insert(
  state: 'pending' | 'active' | 'retired',
  publicKey: KeyObject,
  { algorithm = 'ES256', sealed = null, authenticator = unknownMac(1), age = 0 }: Forgery = {},
): Promise<string> {
  const kid = thumbprint(publicKey);
  await database.query(
    `insert into signing_key (kid, algorithm, state, public_key, private_key, authenticator, published_at, activated_at)
     values ($1, $2, $3, $4, $5, $6, now() - $7 * interval '1 millisecond', case when $3 = 'active' then now() end)`,
    [kid, algorithm, state, publicKey.export({ format: 'jwk' }), sealed, authenticator, age],
  );
  return kid;
}

/** What somebody without the secret can write in the place of an authenticator. */
function unknownMac(id: number): Buffer {
  return Buffer.concat([Buffer.from([id]), randomBytes(32)]);
}

/** A key pair of somebody who can write to the database and has no secret. */
const theirs = () => generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey;

const kidsOf = ({ ring }: Node) => ring.keys.map(({ kid }) => kid);

/** One node rotates all the way: the next key is published, its time passes, it takes over. */
async function replaceKey(by: Node): Promise<void> {
  await by.keys.rotate();
  await pass(publishLead);
  await by.keys.refresh();
}

async function configError(work: Promise<unknown>): Promise<ConfigError> {
  const error: unknown = await work.catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(ConfigError);
  return error as ConfigError;
}

/** Does the private key of a ring belong to the public one under its kid? */
function signs({ ring }: Node): boolean {
  const { kid, privateKey } = ring.active;
  const data = Buffer.from('data');
  return verify('sha256', data, ring.find(kid)!.publicKey, sign('sha256', data, privateKey));
}

describe('a start', () => {
  test('on an empty table makes the first key, and it signs', async () => {
    const first = await started();
    expect(await states()).toEqual({ active: [first.ring.active.kid] });
    expect(signs(first)).toBe(true);
    expect(first.errors).toEqual([]);
  });

  test('of three nodes at the same instant makes one key, and it is the key of all', async () => {
    const nodes = await Promise.all([node(), node(), node()]);
    await Promise.all(nodes.map(({ keys }) => keys.start()));
    const [{ kid }] = (await rows()) as [KeyRow];
    expect(await states()).toEqual({ active: [kid] });
    expect(nodes.map(({ ring }) => ring.active.kid)).toEqual([kid, kid, kid]);
  });

  test('finds the keys another one left', async () => {
    const before = await started();
    await before.keys.rotate();
    const after = await started();
    expect(kidsOf(after)).toEqual((await rows()).map(({ kid }) => kid));
    expect(after.ring.active.kid).toBe(before.ring.active.kid);
    expect(after.asked.change).toBe(0);
  });

  test.each([
    ['another secret under the same id', { id: 1, secret: randomBytes(32) }, /made under another secret/],
    ['another id', { id: 9, secret: kek.secret }, /key-encryption key 1, which is not configured/],
  ])(
    'with %s does not happen: the fault names the remedy, and no key takes the place of another',
    async (_, wrong, fault) => {
      await started();
      const before = await rows();
      await pass(10 * policy.rotateEvery);
      const failed = await node({ encryptionKeys: [wrong] });
      const { faults, message } = await configError(failed.keys.start());
      expect(faults).toEqual([expect.stringMatching(fault)]);
      expect(faults[0]).toMatch(/accessToken\.managedKeys\.encryptionKeys/);
      expect(message).not.toContain(wrong.secret.toString('base64').slice(0, 8));
      expect((await rows()).map(({ kid, state }) => [kid, state])).toEqual(
        before.map(({ kid, state }) => [kid, state]),
      );
      expect(() => failed.ring.active).toThrow(UnavailableError);
    },
  );

  test.each([
    [
      'a byte of the sealed key changed',
      `private_key = set_byte(private_key, 40, get_byte(private_key, 40) # 1)`,
    ],
    ['the sealed key cut short', `private_key = substring(private_key from 1 for 20)`],
    ['the sealed key empty', `private_key = ''`],
    ['no sealed key', `private_key = null`],
    ['another public key', `public_key = public_key || '{"x": "AAAA"}'`],
    ['no public key', `public_key = '{}'`],
    ['another kid', `kid = 'other'`],
    ['an algorithm nobody knows', `algorithm = 'none'`],
    ['the algorithm of another kind of key', `algorithm = 'RS256'`],
    [
      'a byte of the authenticator changed',
      `authenticator = set_byte(authenticator, 20, get_byte(authenticator, 20) # 1)`,
    ],
    ['the authenticator cut short', `authenticator = substring(authenticator from 1 for 17)`],
    ['an empty authenticator', `authenticator = ''`],
  ])('on a row with %s does not happen', async (_, damage) => {
    await started();
    await database.query(`update signing_key set ${damage}`);
    const { faults } = await configError((await node()).keys.start());
    expect(faults).toEqual([expect.stringMatching(/^signing key /)]);
    expect(await rows()).toHaveLength(1);
  });

  test('on a sealed key that was moved to the row of another kid does not happen', async () => {
    const before = await started();
    await before.keys.rotate();
    const [one, other] = (await rows()) as [KeyRow, KeyRow];
    await database.query('update signing_key set private_key = $2 where kid = $1', [
      other.kid,
      one.private_key,
    ]);
    const { faults } = await configError((await node()).keys.start());
    expect(faults).toEqual([expect.stringContaining(other.kid)]);
  });

  const weak = (modulusLength: number, publicExponent: number) =>
    generateKeyPairSync('rsa', { modulusLength, publicExponent });
  test.each<[string, string, () => { publicKey: KeyObject; privateKey: KeyObject }]>([
    ['RSA of 1024 bits', 'RS256', () => weak(1024, 0x10001)],
    ['RSA with exponent 3', 'RS256', () => weak(2048, 3)],
    ['P-384', 'ES256', () => generateKeyPairSync('ec', { namedCurve: 'P-384' })],
  ])('on a key that is too weak does not happen: %s', async (_, algorithm, generate) => {
    const { publicKey, privateKey } = generate();
    const kid = thumbprint(publicKey);
    await insert('active', publicKey, {
      algorithm,
      sealed: encryption.seal(kid, privateKey.export({ type: 'pkcs8', format: 'der' })),
      authenticator: encryption.authenticate({ kid, algorithm }),
    });
    const { faults } = await configError((await node()).keys.start());
    expect(faults).toEqual([expect.stringMatching(/2048 bits or more with exponent 65537|P-256/)]);
  });

  test('on a private key that is not that of the public one does not happen', async () => {
    const { ring } = await started();
    const { kid } = ring.active;
    const other = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
    const sealed = encryption.seal(kid, other.export({ type: 'pkcs8', format: 'der' }));
    await database.query('update signing_key set private_key = $1', [sealed]);
    expect((await configError((await node()).keys.start())).faults).toEqual([
      expect.stringContaining('holds no private key of its public one'),
    ]);
  });

  test('without the table does not happen: the fault says what to run', async () => {
    await database.query('drop table signing_key');
    const { faults } = await configError((await node()).keys.start());
    expect(faults).toEqual([expect.stringMatching(/^signing keys cannot be kept.*tokenFamilyMigrations/)]);
  });
});

describe('the life of a key', () => {
  test('is published, signs, verifies, and is gone', async () => {
    const one = await started();
    const other = await started();
    const old = one.ring.active.kid;

    await pass(policy.rotateEvery - publishLead);
    await one.keys.refresh();
    const { pending: [next] = [] } = await states();
    expect(await states()).toEqual({ active: [old], pending: [next] });
    await other.keys.refresh();
    expect([one, other].map(({ ring }) => [ring.active.kid, ring.find(next!)?.kid])).toEqual([
      [old, next],
      [old, next],
    ]);

    await pass(publishLead - 60_000);
    await other.keys.refresh();
    expect(await states()).toEqual({ active: [old], pending: [next] });
    await pass(60_000);
    await other.keys.refresh();
    await one.keys.refresh();
    expect(await states()).toEqual({ active: [next], retired: [old] });
    for (const { ring } of [one, other]) {
      expect(ring.active.kid).toBe(next);
      expect(ring.find(old)?.kid).toBe(old);
    }

    await pass(verifyFor - 60_000);
    await one.keys.refresh();
    expect(one.ring.find(old)).toBeDefined();
    await pass(60_000);
    await one.keys.refresh();
    await other.keys.refresh();
    expect(await states()).toEqual({ active: [next] });
    expect([one, other].map(({ ring }) => ring.find(old))).toEqual([undefined, undefined]);
  });

  test('leaves exactly one active, and known to all before it signs, in 50 rounds of three nodes at the same instant', async () => {
    const nodes = await Promise.all([started(), started(), started()]);
    const operations = [
      ({ keys }: Node) => keys.refresh(),
      ({ keys }: Node) => keys.rotate(),
      ({ keys }: Node) => Promise.all([keys.rotate(), keys.refresh(), keys.refresh()]),
    ];
    let active = nodes[0].ring.active.kid;
    let activations = 0;
    let surprised = 0;
    for (let round = 0; round < 50; round++) {
      await pass([0, publishLead, publishLead / 2, publishLead][round % 4]!);
      const knownBefore = nodes.map(kidsOf);
      await Promise.all(nodes.map((each, at) => operations[(round + at) % 3]!(each)));
      const now = await states();
      expect(now['active']).toHaveLength(1);
      expect(now['pending']?.length ?? 0).toBeLessThanOrEqual(1);
      if (now['active']![0] !== active) {
        active = now['active']![0]!;
        activations++;
        surprised += knownBefore.filter((known) => !known.includes(active)).length;
      }
      await Promise.all(nodes.map(({ keys }) => keys.refresh()));
      expect(nodes.map(({ ring }) => ring.active.kid)).toEqual([active, active, active]);
    }
    expect(activations).toBeGreaterThan(15);
    expect(surprised).toBe(0);
    expect(nodes.flatMap(({ errors }) => errors)).toEqual([]);
  });

  test('changes with the algorithm, early and through the same states', async () => {
    const before = await started();
    const after = await started({ changes: { algorithm: 'RS256' } });
    const old = before.ring.active;
    await after.keys.refresh();
    await pass(publishLead);
    await after.keys.refresh();
    await before.keys.refresh();
    for (const { ring } of [before, after]) {
      expect(ring.active).toMatchObject({ algorithm: 'RS256' });
      expect(ring.active.publicKey.asymmetricKeyDetails).toEqual({
        modulusLength: 3072,
        publicExponent: 65537n,
      });
      expect(ring.find(old.kid)).toMatchObject({ algorithm: 'ES256' });
    }
    expect(signs(before)).toBe(true);
  });

  test('leaves no private key in the database that could be read there, or that is not needed', async () => {
    const one = await started();
    const { privateKey } = one.ring.active;
    const secret = Buffer.from(privateKey.export({ format: 'jwk' }).d!, 'base64url');
    const [row] = (await database.query(`select * from signing_key`)) as [Record<string, unknown>];
    const [{ dump }] = (await database.query(
      `select string_agg(to_jsonb(signing_key)::text, '') as dump from signing_key`,
    )) as [{ dump: string }];
    expect((row['private_key'] as Buffer).includes(secret)).toBe(false);
    expect(Object.keys(row['public_key'] as object).toSorted()).toEqual(['crv', 'kty', 'x', 'y']);
    for (const encoding of ['base64url', 'base64', 'hex'] as const) {
      expect(dump).not.toContain(secret.toString(encoding).replaceAll('=', ''));
    }
    await replaceKey(one);
    const [{ kid }] = (await database.query(`select kid from signing_key where private_key is null`)) as [
      KeyRow,
    ];
    expect(await states()).toMatchObject({ retired: [kid] });
  });

  test('shows no private key among those a ring publishes', async () => {
    const one = await started();
    await one.keys.rotate();
    expect(new Set(one.ring.keys.flatMap((key) => Object.keys(key)))).toEqual(
      new Set(['kid', 'algorithm', 'publicKey']),
    );
  });
});

describe('a rotation by hand', () => {
  test('publishes the next key at once, and never lets it sign earlier than publishLead', async () => {
    const one = await started();
    const old = one.ring.active.kid;
    const next = await one.keys.rotate();
    expect(next).toMatchObject({ state: 'pending' });
    await pass(publishLead - 60_000);
    expect((await one.keys.rotate()).kid).toBe(next.kid);
    expect(one.ring.active.kid).toBe(old);
    await pass(60_000);
    await one.keys.refresh();
    expect(one.ring.active.kid).toBe(next.kid);
  });
});

describe('an emergency revocation', () => {
  test('ends the active key on this node at once, and on another at its next poll', async () => {
    const one = await started();
    const other = await started();
    const stolen = one.ring.active.kid;
    const { kid: next } = await one.keys.rotate();
    await other.keys.refresh();
    const versions = [one.ring.version, other.ring.version];

    expect(await one.keys.revoke(stolen)).toBe(true);
    expect(one.ring.find(stolen)).toBeUndefined();
    expect(one.ring.active.kid).toBe(next);
    await other.keys.refresh();
    expect(other.ring.find(stolen)).toBeUndefined();
    expect(other.ring.active.kid).toBe(next);
    expect([one.ring.version, other.ring.version]).toEqual(versions.map((version) => version + 1));
    expect(await states()).toEqual({ active: [next], revoked: [stolen] });
  });

  test('with no key published makes one that signs at once', async () => {
    const one = await started();
    const stolen = one.ring.active.kid;
    await one.keys.revoke(stolen);
    expect(one.ring.active.kid).not.toBe(stolen);
    expect(await states()).toEqual({ active: [one.ring.active.kid], revoked: [stolen] });
  });

  test('by three nodes at the same instant leaves one active key, and one of them did it', async () => {
    const nodes = await Promise.all([started(), started(), started()]);
    for (let round = 0; round < 10; round++) {
      const { kid } = nodes[0].ring.active;
      const done = await Promise.all(nodes.map(({ keys }) => keys.revoke(kid)));
      expect(done.filter(Boolean)).toHaveLength(1);
      expect((await states())['active']).toHaveLength(1);
      await Promise.all(nodes.map(({ keys }) => keys.refresh()));
      expect(new Set(nodes.map(({ ring }) => ring.active.kid)).size).toBe(1);
      expect(nodes.flatMap(kidsOf)).not.toContain(kid);
    }
  });

  test('of a pending key replaces it, of a retired one ends it, and of an unknown or revoked one is false', async () => {
    const one = await started();
    const retired = one.ring.active.kid;
    await replaceKey(one);
    const pending = (await one.keys.rotate()).kid;
    expect(await one.keys.revoke(pending)).toBe(true);
    expect(await one.keys.revoke(retired)).toBe(true);
    expect(await one.keys.revoke(retired)).toBe(false);
    expect(await one.keys.revoke('unknown')).toBe(false);
    const now = await states();
    expect(now['revoked']!.toSorted()).toEqual([pending, retired].toSorted());
    expect(kidsOf(one)).toEqual([...now['active']!, ...now['pending']!]);
  });

  test('outlives an answer that was on its way: an older state never comes back', async () => {
    const one = await started();
    const stolen = one.ring.active.kid;
    let revoking: Promise<boolean> | undefined;
    one.underway = () => {
      one.underway = async () => {};
      // The first answer is held back until the revocation is through, should that not wait its turn.
      return Promise.race([revoking, new Promise((resolve) => setTimeout(resolve, 500))]);
    };
    const refreshing = one.keys.refresh();
    revoking = one.keys.revoke(stolen);
    await Promise.all([refreshing, revoking]);
    expect(one.ring.find(stolen)).toBeUndefined();
  });

  test('keeps the row until nothing the key signed could live', async () => {
    const one = await started();
    await one.keys.revoke(one.ring.active.kid);
    await pass(verifyFor - 60_000);
    await one.keys.refresh();
    expect(await states()).toMatchObject({ revoked: [expect.any(String)] });
    await pass(60_000);
    await one.keys.refresh();
    expect(await states()).not.toHaveProperty('revoked');
  });
});

describe('a revocation that somebody who writes to the database undoes', () => {
  const undo = (kid: string, state: string) =>
    database.query(
      `update signing_key set state = $2, revoked_at = null, verify_until = now() + interval '1 year' where kid = $1`,
      [kid, state],
    );

  test.each(['retired', 'pending'])(
    'stays in force: a key made %s again verifies nothing, and is told once',
    async (state) => {
      const one = await started();
      const stolen = one.ring.active.kid;
      await one.keys.revoke(stolen);
      const [{ authenticator }] = (await rows()) as [KeyRow];
      expect(encryption.verifyRevoked({ kid: stolen, algorithm: 'ES256' }, authenticator)).toBe('sound');
      const before = kidsOf(one);
      await undo(stolen, state);
      for (let poll = 0; poll < 3; poll++) await one.keys.refresh();
      expect(kidsOf(one)).toEqual(before);
      expect(one.errors).toEqual([
        expect.stringMatching(`^A key cannot be used: signing key ${stolen} was revoked`),
      ]);
      await pass(publishLead);
      await one.keys.refresh();
      expect(one.ring.active.kid).toBe(before[0]);
    },
  );

  test('stops a start, until it is revoked again', async () => {
    const one = await started();
    const stolen = one.ring.active.kid;
    await one.keys.revoke(stolen);
    await undo(stolen, 'retired');
    const { faults } = await configError((await node()).keys.start());
    expect(faults).toEqual([expect.stringContaining(`${stolen} was revoked`)]);
    expect(await one.keys.revoke(stolen)).toBe(true);
    expect(kidsOf(await started())).toEqual(kidsOf(one));
  });

  test('is undone by whoever kept a copy of the row from before, and can be made again', async () => {
    const one = await started();
    const stolen = one.ring.active.kid;
    await database.query('create table copy as select * from signing_key');
    await one.keys.revoke(stolen);
    const { kid: next } = one.ring.active;
    await database.query('delete from signing_key where kid = $1', [stolen]);
    await database.query(`update copy set state = 'retired', private_key = null`);
    await database.query('insert into signing_key select * from copy');
    await one.keys.refresh();
    expect(kidsOf(one)).toEqual([stolen, next]);
    expect(await one.keys.revoke(stolen)).toBe(true);
    expect(kidsOf(one)).toEqual([next]);
  });
});

describe('a change whose answer was lost', () => {
  const lost = { code: 'ERR_STORE_UNAVAILABLE' };

  async function rotateInVain(by: Node): Promise<string> {
    by.losesAnswers = true;
    await expect(by.keys.rotate()).rejects.toMatchObject(lost);
    by.losesAnswers = false;
    return by.offered.at(-1)!;
  }

  test('never brings its key back, once that has been revoked and its row is gone', async () => {
    const one = await started();
    const other = await started();
    const stolen = await rotateInVain(one);
    await pass(publishLead);
    await other.keys.refresh();
    expect(other.ring.active.kid).toBe(stolen);
    await other.keys.revoke(stolen);
    await pass(verifyFor);
    await other.keys.refresh();
    expect((await rows()).map(({ kid }) => kid)).toEqual([other.ring.active.kid]);

    const { kid: next } = await one.keys.rotate();
    await pass(publishLead);
    await one.keys.refresh();
    expect(one.ring.active.kid).toBe(next);
    expect(next).not.toBe(stolen);
    expect(one.ring.find(stolen)).toBeUndefined();
  });

  test('leaves a key that this node can revoke and replace, as any other does', async () => {
    const one = await started();
    const other = await started();
    const stolen = await rotateInVain(one);
    await pass(publishLead);
    await other.keys.refresh();
    expect(await one.keys.revoke(stolen)).toBe(true);
    expect(await states()).toMatchObject({ active: [one.ring.active.kid], revoked: [stolen] });
    expect(signs(one)).toBe(true);
    expect(await one.keys.rotate()).toMatchObject({ state: 'pending' });
  });

  test('was made: the node finds it, and joins it', async () => {
    const one = await started();
    const kid = await rotateInVain(one);
    expect(await one.keys.rotate()).toMatchObject({ kid, state: 'pending' });
    expect(one.asked.change).toBe(2);
  });
});

test('a revocation that finds the next key gone makes another, and signing goes on', async () => {
  const one = await started();
  const stolen = one.ring.active.kid;
  await one.keys.rotate();
  one.underway = async () => {
    one.underway = async () => {};
    await database.query(`delete from signing_key where state = 'pending'`);
  };
  expect(await one.keys.revoke(stolen)).toBe(true);
  expect(await states()).toEqual({ active: [one.ring.active.kid], revoked: [stolen] });
  expect(signs(one)).toBe(true);
});

describe('what a node knows', () => {
  test('costs one reading and raises no version while nothing is due', async () => {
    const one = await started();
    const { version } = one.ring;
    const before = { ...one.asked };
    for (let poll = 0; poll < 5; poll++) await one.keys.refresh();
    expect(one.asked).toEqual({ load: before.load + 5, change: before.change });
    expect(one.ring.version).toBe(version);
  });

  test.each(['monotonic', 'wall'] as const)(
    'lets it sign for less than publishLead by its %s clock, and verify for ever',
    async (which) => {
      const one = await started();
      const { kid } = one.ring.active;
      one.time[which] += publishLead - 1;
      expect(one.ring.active.kid).toBe(kid);
      one.time[which] += 1;
      expect(() => one.ring.active).toThrow(UnavailableError);
      expect(one.ring.find(kid)?.kid).toBe(kid);
      const { version } = one.ring;
      await one.keys.refresh();
      expect(one.ring.active.kid).toBe(kid);
      expect(one.ring.version).toBe(version);
    },
  );

  test('is as old as the question, not as the answer', async () => {
    const one = await started();
    one.underway = async () => void (one.time.monotonic += publishLead);
    await one.keys.refresh();
    expect(() => one.ring.active).toThrow(UnavailableError);
  });

  test('stays known when the keys cannot be read', async () => {
    const one = await started();
    const { kid } = one.ring.active;
    one.outage = new UnavailableError('ERR_STORE_UNAVAILABLE');
    await expect(one.keys.refresh()).rejects.toBe(one.outage);
    expect(one.ring.active.kid).toBe(kid);
    one.outage = null;
    await one.keys.refresh();
  });

  test('is read once for all who ask together, and who does not wait for a reading that fails loses nothing', async () => {
    const one = await started();
    const before = one.asked.load;
    const unhandled: unknown[] = [];
    const onUnhandled = (reason: unknown) => void unhandled.push(reason);
    process.on('unhandledRejection', onUnhandled);
    one.outage = new UnavailableError('ERR_STORE_UNAVAILABLE');
    for (let caller = 0; caller < 5; caller++) void one.keys.refresh();
    void one.keys.seek();
    await one.keys.list().catch(() => {});
    await new Promise((resolve) => setImmediate(resolve));
    process.off('unhandledRejection', onUnhandled);
    expect(unhandled).toEqual([]);
    // The refreshing, the seeking, and the listing.
    expect(one.asked.load).toBe(before + 3);
  });
});

describe('a kid the ring does not know', () => {
  test('is found by seeking', async () => {
    const one = await started();
    const other = await started();
    const { kid } = await other.keys.rotate();
    expect(one.ring.find(kid)).toBeUndefined();
    await one.keys.seek();
    expect(one.ring.find(kid)?.kid).toBe(kid);
  });

  test('costs one reading per cool-down, however many ask', async () => {
    const one = await started();
    const before = one.asked.load;
    await Promise.all(Array.from({ length: 100 }, () => one.keys.seek()));
    one.time.monotonic += COOL_DOWN - 1;
    await one.keys.seek();
    expect(one.asked.load).toBe(before + 1);
    one.time.monotonic += 1;
    await one.keys.seek();
    expect(one.asked.load).toBe(before + 2);
  });

  test('costs one reading per cool-down while it fails, too, and nobody is told that the kid is bad', async () => {
    const one = await started();
    const before = one.asked.load;
    one.outage = new UnavailableError('ERR_STORE_UNAVAILABLE');
    const refusal = { code: 'ERR_VERIFICATION_KEYS_UNAVAILABLE', cause: one.outage };
    const asked = Array.from({ length: 10 }, () => one.keys.seek());
    for (const seeking of asked) {
      await expect(seeking).rejects.toBeInstanceOf(UnavailableError);
      await expect(seeking).rejects.toMatchObject(refusal);
    }
    one.time.monotonic += COOL_DOWN - 1;
    await expect(one.keys.seek()).rejects.toMatchObject(refusal);
    expect(one.asked.load).toBe(before + 1);
  });

  test('puts one line into the log for an outage, and one for its end, however many ask', async () => {
    const one = await started();
    const told = 'Signing keys cannot be read: no route to the database';
    for (let outages = 1; outages <= 2; outages++) {
      one.outage = new UnavailableError('ERR_STORE_UNAVAILABLE', {
        cause: new Error('no route to the database'),
      });
      for (let stranger = 0; stranger < 200; stranger++) {
        one.time.monotonic += COOL_DOWN / 10;
        await one.keys.seek().catch(() => {});
      }
      expect(one.errors).toEqual(Array(outages).fill(told));
      one.outage = null;
      await one.keys.refresh();
      await one.keys.refresh();
      expect(one.logs).toEqual(Array(outages).fill('Signing keys are read again'));
    }
  });
});

describe('a key that cannot be used, met while running', () => {
  test('made under a key-encryption key of a newer deployment: it does nothing here, is left alone, and is told once', async () => {
    const old = await started();
    const newer = await started({ encryptionKeys: [nextKek, kek] });
    const before = old.ring.active.kid;
    const { kid } = await newer.keys.rotate();
    for (let poll = 0; poll < 3; poll++) await old.keys.refresh();
    expect(old.errors).toEqual([expect.stringMatching(/key-encryption key 2, which is not configured/)]);
    expect(kidsOf(old)).toEqual([before]);
    expect(old.ring.active.kid).toBe(before);

    await pass(publishLead);
    await old.keys.refresh();
    expect(await states()).toEqual({ active: [before], pending: [kid] });
    await newer.keys.refresh();
    for (let poll = 0; poll < 3; poll++) await old.keys.refresh();
    expect(newer.ring.active.kid).toBe(kid);
    expect(() => old.ring.active).toThrow(UnavailableError);
    expect(kidsOf(old)).toEqual([before]);
    expect(await states()).toEqual({ active: [kid], retired: [before] });
  });

  test('is no trouble when the new key-encryption key was at the end of every list first', async () => {
    const one = await started({ encryptionKeys: [kek, nextKek] });
    const newer = await started({ encryptionKeys: [nextKek, kek] });
    await replaceKey(newer);
    await one.keys.refresh();
    expect(one.ring.active.kid).toBe(newer.ring.active.kid);
    expect(one.errors).toEqual([]);
  });

  test('a damaged public key verifies nothing', async () => {
    const one = await started();
    const { kid } = await one.keys.rotate();
    await database.query(
      `update signing_key set public_key = (select public_key from signing_key where kid <> $1) where kid = $1`,
      [kid],
    );
    await one.keys.refresh();
    expect(one.ring.find(kid)).toBeUndefined();
    expect(one.errors).toEqual([expect.stringContaining('has the public key of another kid')]);
    expect(signs(one)).toBe(true);
  });

  test('the first key-encryption key seals, the others open', async () => {
    const one = await started();
    const other = await started({ encryptionKeys: [nextKek, kek] });
    expect(other.ring.active.kid).toBe(one.ring.active.kid);
    await replaceKey(other);
    expect((await rows()).map((row) => row.private_key?.[0])).toEqual([undefined, 2]);
    expect((await rows()).map((row) => row.authenticator[0])).toEqual([1, 2]);
  });

  test('a key-encryption key is needed until the last key made under it is gone', async () => {
    const retired = (await started()).ring.active.kid;
    const one = await started({ encryptionKeys: [nextKek, kek] });
    await replaceKey(one);
    const { faults } = await configError((await node({ encryptionKeys: [nextKek] })).keys.start());
    expect(faults).toEqual([expect.stringMatching(`${retired} was made under key-encryption key 1`)]);
    await pass(verifyFor);
    await one.keys.refresh();
    expect((await started({ encryptionKeys: [nextKek] })).ring.active.kid).toBe(one.ring.active.kid);
  });
});

describe('a row that no node wrote', () => {
  test.each(['pending', 'retired'] as const)('stops a start: %s', async (state) => {
    await started();
    const kid = await insert(state, theirs());
    const before = await rows();
    const { faults } = await configError((await node()).keys.start());
    expect(faults).toEqual([expect.stringMatching(`^signing key ${kid} is not authenticated`)]);
    expect(await rows()).toEqual(before);
  });

  test('stops a start on a table that holds nothing else, and is not replaced', async () => {
    const kid = await insert('active', theirs());
    await configError((await node()).keys.start());
    expect(await states()).toEqual({ active: [kid] });
  });

  test('is told of at a start even if it came while the first key was made, and never signs', async () => {
    const one = await node();
    one.underway = async () => {
      one.underway = async () => {};
      await insert('pending', theirs());
    };
    const { faults } = await configError(one.keys.start());
    expect(faults).toEqual([expect.stringMatching(/is not authenticated/)]);
    expect(one.ring.active.kid).toBe((await rows())[0]!.kid);
    expect(await states()).toEqual({ active: [one.ring.active.kid] });
  });

  const othersSecret = new KeyEncryption([{ id: 1, secret: randomBytes(32) }]);
  test.each<[string, (kid: string, genuine: Buffer) => Buffer]>([
    ['one drawn at random', () => unknownMac(1)],
    ['that of another row', (_, genuine) => genuine],
    ['one of another secret', (kid) => othersSecret.authenticate({ kid, algorithm: 'ES256' })],
    ['one for another algorithm', (kid) => encryption.authenticate({ kid, algorithm: 'RS256' })],
    ['one that names a key-encryption key that is not there', () => unknownMac(99)],
    ['one under the raw secret', (kid) => mac(kek.secret, kid)],
    ['one under an empty key', (kid) => mac('', kid)],
    ['half of one', (_, genuine) => genuine.subarray(0, 17)],
    ['none', () => Buffer.alloc(0)],
  ])(
    'verifies nothing while running, is told once, and the others go on. Its authenticator: %s',
    async (_, write) => {
      const one = await started();
      const { kid: next } = await one.keys.rotate();
      const before = { active: one.ring.active.kid, kids: kidsOf(one) };
      const publicKey = theirs();
      const authenticator = write(thumbprint(publicKey), (await rows())[0]!.authenticator);
      const kid = await insert('retired', publicKey, { authenticator });
      for (let poll = 0; poll < 3; poll++) await one.keys.refresh();
      expect(one.ring.find(kid)).toBeUndefined();
      expect(kidsOf(one)).toEqual(before.kids);
      expect(one.ring.active.kid).toBe(before.active);
      expect(one.errors).toEqual([expect.stringContaining(`signing key ${kid} `)]);
      await one.keys.seek();
      expect(one.ring.find(kid)).toBeUndefined();

      await pass(publishLead);
      await one.keys.refresh();
      expect(one.ring.active.kid).toBe(next);
      expect(one.ring.find(kid)).toBeUndefined();
      expect(one.errors).toHaveLength(1);
    },
  );

  function mac(key: string | Buffer, kid: string): Buffer {
    const message = JSON.stringify(['token-family signing key', kid, 'ES256']);
    return Buffer.concat([Buffer.from([1]), createHmac('sha256', key).update(message).digest()]);
  }

  test('does not get in under the kid of a key that is known', async () => {
    const one = await started();
    await replaceKey(one);
    const [retired] = (await rows()) as [KeyRow];
    await database.query('update signing_key set public_key = $2 where kid = $1', [
      retired.kid,
      theirs().export({ format: 'jwk' }),
    ]);
    await one.keys.refresh();
    expect(one.ring.find(retired.kid)).toBeUndefined();
    expect(signs(one)).toBe(true);
  });

  test('puts no second line into the log', async () => {
    const one = await started();
    const kid = await insert('retired', theirs());
    await database.query('update signing_key set kid = $2 where kid = $1', [kid, 'a\nSigning keys are well']);
    await one.keys.refresh();
    expect(one.errors).toEqual([expect.stringContaining('"a\\nSigning keys are well"')]);
  });

  test('is told again when it went and came back', async () => {
    const one = await started();
    const publicKey = theirs();
    for (let visit = 1; visit <= 2; visit++) {
      const kid = await insert('retired', publicKey);
      for (const read of ['refresh', 'seek', 'list'] as const) {
        one.time.monotonic += COOL_DOWN;
        await one.keys[read]();
      }
      expect(one.errors).toEqual(Array(visit).fill(expect.stringContaining(kid)));
      await database.query('delete from signing_key where kid = $1', [kid]);
      await one.keys.refresh();
    }
  });

  describe('and says it is next', () => {
    test('never signs, and is gone at the next poll', async () => {
      const one = await started();
      const { kid: active } = one.ring.active;
      const kid = await insert('pending', theirs(), { age: 10 * publishLead });
      await one.keys.refresh();
      expect(await states()).toEqual({ active: [active] });
      expect(kidsOf(one)).toEqual([active]);
      expect(one.ring.active.kid).toBe(active);
      expect(one.errors).toEqual([expect.stringContaining(kid)]);
    });

    test('puts off no change, by the calendar or by hand', async () => {
      const one = await started();
      const { kid: active } = one.ring.active;
      await insert('pending', theirs());
      const { kid: next } = await one.keys.rotate();
      expect(await states()).toEqual({ active: [active], pending: [next] });
      await pass(publishLead);
      await one.keys.refresh();
      await pass(policy.rotateEvery - publishLead);
      await insert('pending', theirs());
      await one.keys.refresh();
      const { pending: [following] = [] } = await states();
      expect(one.ring.find(following!)?.kid).toBe(following);
      await pass(publishLead);
      await one.keys.refresh();
      expect(one.ring.active.kid).toBe(following);
      expect(signs(one)).toBe(true);
    });

    test('is no successor of a revoked key', async () => {
      const one = await started();
      const { kid: stolen } = one.ring.active;
      const forged = await insert('pending', theirs());
      await one.keys.revoke(stolen);
      expect(kidsOf(one)).toEqual([one.ring.active.kid]);
      expect([stolen, forged]).not.toContain(one.ring.active.kid);
      expect(signs(one)).toBe(true);
    });

    test('under a key-encryption key that is not there, it goes when nobody has gone on with it', async () => {
      const one = await started();
      const { kid: active } = one.ring.active;
      const kid = await insert('pending', theirs(), { authenticator: unknownMac(99) });
      await pass(publishLead);
      await one.keys.refresh();
      expect(await states()).toEqual({ active: [active], pending: [kid] });
      expect(kidsOf(one)).toEqual([active]);
      await pass(publishLead);
      await one.keys.refresh();
      expect(await states()).toEqual({ active: [active] });
    });

    test('is told of even if it came between the reading and the change', async () => {
      const one = await started();
      await pass(policy.rotateEvery);
      one.underway = async () => {
        one.underway = async () => {};
        await insert('pending', theirs(), { age: publishLead });
      };
      const { kid: active } = one.ring.active;
      await one.keys.refresh();
      expect(one.errors).toEqual([expect.stringMatching(/is not authenticated/)]);
      expect(await states()).toEqual({ active: [active], pending: [one.offered.at(-1)] });
    });
  });

  test.each([
    ['its sealed key damaged', `private_key = '\\x01'`],
    ['its sealed key gone', `private_key = null`],
    [
      'the public key of the active one',
      `public_key = (select public_key from signing_key where state = 'active')`,
    ],
  ])('a pending key with %s never signs, and makes place for another', async (_, damage) => {
    const one = await started();
    const { kid: active } = one.ring.active;
    const { kid } = await one.keys.rotate();
    await database.query(`update signing_key set ${damage} where kid = $1`, [kid]);
    await pass(publishLead);
    await one.keys.refresh();
    expect(await states()).toEqual({ active: [active] });
    expect(one.ring.active.kid).toBe(active);
    expect(one.errors).toHaveLength(1);
  });
});

describe('an active key that somebody changed, met while running', () => {
  const damages = [
    ['its authenticator', `authenticator = set_byte(authenticator, 32, get_byte(authenticator, 32) # 1)`],
    ['its algorithm', `algorithm = 'RS256'`],
    ['its public key', `public_key = public_key || '{"x": "AAAA"}'`],
  ] as const;

  test.each(damages)('neither signs nor verifies, and nothing takes its place: %s', async (_, damage) => {
    const one = await started();
    await replaceKey(one);
    const { active: [active] = [], retired: [retired] = [] } = await states();
    await database.query(`update signing_key set ${damage} where kid = $1`, [active]);
    for (let poll = 0; poll < 3; poll++) await one.keys.refresh();
    expect(() => one.ring.active).toThrow(UnavailableError);
    expect(kidsOf(one)).toEqual([retired]);
    expect(await states()).toEqual({ active: [active], retired: [retired] });
    expect(one.errors).toEqual([expect.stringContaining(active!)]);
  });

  test('signs again when its row is restored', async () => {
    const one = await started();
    const { kid } = one.ring.active;
    const [{ authenticator }] = (await rows()) as [KeyRow];
    await database.query(`update signing_key set authenticator = ''`);
    await one.keys.refresh();
    expect(() => one.ring.active).toThrow(UnavailableError);
    await database.query('update signing_key set authenticator = $1', [authenticator]);
    await one.keys.refresh();
    expect(one.ring.active.kid).toBe(kid);
  });

  test('is succeeded when an operator revokes it, or its time is over', async () => {
    const one = await started();
    const first = one.ring.active.kid;
    await database.query(`update signing_key set authenticator = ''`);
    expect(await one.keys.revoke(first)).toBe(true);
    const second = one.ring.active.kid;
    expect(second).not.toBe(first);

    await database.query(`update signing_key set authenticator = '' where kid = $1`, [second]);
    await one.keys.rotate();
    await pass(publishLead);
    await one.keys.refresh();
    expect([first, second]).not.toContain(one.ring.active.kid);
    expect(signs(one)).toBe(true);
  });

  test('a forged one in its place gets nothing signed and nothing verified, and the true one verifies on', async () => {
    const one = await started();
    const { kid } = one.ring.active;
    await database.query(`update signing_key set state = 'retired'`);
    await insert('active', theirs());
    await one.keys.refresh();
    expect(() => one.ring.active).toThrow(UnavailableError);
    expect(kidsOf(one)).toEqual([kid]);
  });
});

test('a change that is due and cannot be made is told once, is no failure of the reading, and is made later, with a key of its own', async () => {
  const one = await started(impatientOptions);
  one.offered.length = 0;
  const { kid } = one.ring.active;
  await pass(policy.rotateEvery);
  const holder = (await database.connect()).createQueryRunner();
  await holder.startTransaction();
  await holder.query('lock table signing_key in share mode');
  await one.keys.refresh();
  await one.keys.refresh();
  expect(one.errors).toEqual([expect.stringMatching(/^Signing keys cannot be changed: .*lock timeout/)]);
  expect(one.ring.active.kid).toBe(kid);
  expect(new Set(one.offered).size).toBe(2);
  await holder.rollbackTransaction();
  await holder.release();
  await one.keys.refresh();
  expect(one.logs).toEqual(['Signing keys are kept up to date again']);
  expect(await states()).toEqual({ active: [kid], pending: [one.offered[2]] });
});

describe('the service for operators', () => {
  test('lists what there is, and no private key', async () => {
    const one = await started();
    await replaceKey(one);
    const service = new SigningKeyService(one.keys);
    const { kid } = await service.rotate();
    const listed = await service.list();
    expect(listed.map(({ state }) => state)).toEqual(['retired', 'active', 'pending']);
    expect(listed[2]).toEqual({
      kid,
      algorithm: 'ES256',
      state: 'pending',
      standing: 'sound',
      publishedAt: expect.any(Date),
      activatedAt: null,
      retiredAt: null,
      verifyUntil: null,
      revokedAt: null,
    });
    expect(await service.revoke(listed[0]!.kid)).toBe(true);
    expect((await service.list())[0]).toMatchObject({ state: 'revoked', revokedAt: expect.any(Date) });
  });

  test('says what this node makes of each row', async () => {
    const one = await started();
    const service = new SigningKeyService(one.keys);
    const revoked = one.ring.active.kid;
    await service.revoke(revoked);
    await replaceKey(one);
    const [retired, active] = [kidsOf(one)[0]!, one.ring.active.kid];
    const forged = await insert('retired', theirs());
    const unknown = await insert('pending', theirs(), { authenticator: unknownMac(99) });
    const standings = async () =>
      Object.fromEntries((await service.list()).map(({ kid, standing }) => [kid, standing]));
    expect(await standings()).toEqual({
      [revoked]: 'sound',
      [retired]: 'sound',
      [active]: 'sound',
      [forged]: 'unsound',
      [unknown]: 'foreign',
    });
    await database.query(`update signing_key set state = 'revoked' where kid = $1`, [retired]);
    expect(await standings()).toMatchObject({ [retired]: 'unsound' });
  });

  test('has nothing to manage when the application gives its keys itself', async () => {
    const service = new SigningKeyService(null);
    for (const call of [() => service.list(), () => service.rotate(), () => service.revoke('kid')]) {
      await expect(call()).rejects.toThrow(TypeError);
    }
  });
});
