import {
  array,
  assert,
  boolean,
  constant,
  constantFrom,
  nat,
  oneof,
  property,
  record,
  type Arbitrary,
} from 'fast-check';
import {
  applyStep,
  keyPolicy,
  planKeys,
  planRevocation,
  planRotation,
  type JudgedSigningKey,
  type KeyStanding,
  type KeyStep,
  type NewSigningKey,
  type StoredSigningKey,
} from '../libs/auth/src/core/key-schedule.js';
import { resolveOptions } from '../libs/auth/src/core/resolve-options.js';
import { candidateKey, policy, storedKey } from './support/stored-keys.js';

const { rotateEvery, publishLead, verifyFor } = policy;

const active = (changes: Partial<JudgedSigningKey> = {}) =>
  storedKey({ kid: 'active', state: 'active', activatedAt: 0, ...changes });
const pending = (publishedAt: number, changes: Partial<JudgedSigningKey> = {}) =>
  storedKey({ kid: 'pending', state: 'pending', publishedAt, ...changes });
const over = (state: 'retired' | 'revoked', verifyUntil: number) =>
  storedKey({ kid: state, state, privateKey: null, verifyUntil });

const publish: KeyStep = { kind: 'publish', state: 'pending' };
const publishActive: KeyStep = { kind: 'publish', state: 'active' };
const swap: KeyStep[] = [
  { kind: 'retire', kid: 'active', verifyFor },
  { kind: 'activate', kid: 'pending' },
];

describe('the calendar', () => {
  test.each<[rule: string, keys: JudgedSigningKey[], now: number, steps: KeyStep[]]>([
    ['the first key of all signs at once', [], 0, [publishActive]],
    ['an active key far from its end is left alone', [active()], 0, []],
    ['until one publishLead before its end', [active()], rotateEvery - publishLead - 1, []],
    ['then the next key is published', [active()], rotateEvery - publishLead, [publish]],
    ['and long after, the same', [active()], 10 * rotateEvery, [publish]],
    ['a key published for less than publishLead waits', [active(), pending(0)], publishLead - 1, []],
    ['a key published for publishLead takes over', [active(), pending(0)], publishLead, swap],
    [
      'whatever the end of the active one: it was published late',
      [active(), pending(2 * rotateEvery)],
      2 * rotateEvery + publishLead - 1,
      [],
    ],
    [
      'with no active key, the pending one signs at once',
      [pending(0)],
      1,
      [{ kind: 'activate', kid: 'pending' }],
    ],
    ['with none that could sign, a new one does', [over('retired', 5)], 4, [publishActive]],
    ['a retired key verifies to the last', [active(), over('retired', 5)], 4, []],
    ['and then goes', [active(), over('retired', 5)], 5, [{ kind: 'delete', kid: 'retired' }]],
    ['a revoked key stays as long', [active(), over('revoked', 5)], 4, []],
    ['and then goes, too', [active(), over('revoked', 5)], 5, [{ kind: 'delete', kid: 'revoked' }]],
  ])('%s', (_, keys, now, steps) => {
    expect(planKeys(keys, policy, now)).toEqual(steps);
  });

  test.each<[rule: string, keys: JudgedSigningKey[], now: number, steps: KeyStep[]]>([
    ['publishes a key of the new one early', [active()], 1, [publish]],
    ['changes to it as to any other', [active(), pending(0, { algorithm: 'RS256' })], publishLead, swap],
    ['lets a pending key of the old one wait its time', [active(), pending(0)], publishLead - 1, []],
    ['never lets that one sign', [active(), pending(0)], publishLead, [{ kind: 'delete', kid: 'pending' }]],
    ['not even when there is no other', [pending(0)], 0, [publishActive]],
  ])('another algorithm %s', (_, keys, now, steps) => {
    expect(planKeys(keys, { ...policy, algorithm: 'RS256' }, now)).toEqual(steps);
  });
});

/** Nobody signs with it, and nothing of it is believed. */
const remove: KeyStep = { kind: 'delete', kid: 'pending' };
const forged = (publishedAt: number) => pending(publishedAt, { standing: 'unsound' });
const foreign = (publishedAt: number) => pending(publishedAt, { standing: 'foreign' });
const broken = { standing: 'unsound' as const };

describe('of keys that do not hold up', () => {
  test.each<[rule: string, keys: JudgedSigningKey[], now: number, steps: KeyStep[]]>([
    ['a pending one goes at once', [active(), forged(0)], 0, [remove]],
    ['and never takes over, however long it was published', [active(), forged(0)], publishLead, [remove]],
    ['not even when there is no other', [forged(0)], publishLead, [remove, publishActive]],
    [
      'and makes place for the one that is due',
      [active(), forged(rotateEvery)],
      rotateEvery,
      [remove, publish],
    ],
    ['it goes once', [active(), { ...forged(0), verifyUntil: 0 }], 0, [remove]],
    ['an active one is not replaced', [active(broken)], 1, []],
    ['whatever algorithm its row names', [active({ ...broken, algorithm: 'RS256' })], 1, []],
    ['and ends by the calendar', [active(broken)], rotateEvery - publishLead, [publish]],
    ['as any other', [active(broken), pending(0)], publishLead, swap],
    ['a retired one stays until it says it goes', [active(), { ...over('retired', 5), ...broken }], 4, []],
  ])('%s', (_, keys, now, steps) => {
    expect(planKeys(keys, policy, now)).toEqual(steps);
  });

  test.each<[rule: string, keys: JudgedSigningKey[], now: number, steps: KeyStep[]]>([
    ['is left to the nodes that know it', [active(), foreign(0)], publishLead, []],
    ['for twice the time they need', [active(), foreign(0)], 2 * publishLead - 1, []],
    ['and then goes', [active(), foreign(0)], 2 * publishLead, [remove]],
    ['also when it pretends to be of the future', [active(), foreign(2 * publishLead)], 0, [remove]],
    ['is no successor: without an active key a new one signs', [foreign(0)], 1, [publishActive]],
  ])('a pending one of another configuration %s', (_, keys, now, steps) => {
    expect(planKeys(keys, policy, now)).toEqual(steps);
  });
});

describe('a rotation by hand', () => {
  test.each<[rule: string, keys: JudgedSigningKey[], now: number, steps: KeyStep[]]>([
    ['publishes the next key at once', [active()], 1, [publish]],
    ['joins the change that is under way', [active(), pending(0)], 1, []],
    ['takes a change that is due for the one asked for', [active(), pending(0)], publishLead, swap],
    ['does not publish twice', [active()], rotateEvery, [publish]],
    ['makes the first key of all', [], 0, [publishActive]],
    ['is not put off by a key that does not hold up', [active(), forged(0)], 1, [remove, publish]],
    ['joins a change of a newer deployment', [active(), foreign(0)], 1, []],
    ['unless nobody went on with it', [active(), foreign(0)], 2 * publishLead, [remove, publish]],
  ])('%s', (_, keys, now, steps) => {
    expect(planRotation(keys, policy, now)).toEqual(steps);
  });
});

describe('a revocation', () => {
  const authenticatorOf = ({ kid, algorithm }: StoredSigningKey) => Buffer.from(`${kid}, ${algorithm}`);
  const revoke = (kid: string, algorithm = 'ES256'): KeyStep => ({
    kind: 'revoke',
    kid,
    verifyFor,
    authenticator: Buffer.from(`${kid}, ${algorithm}`),
  });

  test.each<[rule: string, kid: string, keys: JudgedSigningKey[], steps: KeyStep[]]>([
    [
      'of the active key lets the pending one sign at once',
      'active',
      [active(), pending(0)],
      [revoke('active'), { kind: 'activate', kid: 'pending' }],
    ],
    ['or else a new one', 'active', [active()], [revoke('active'), publishActive]],
    [
      'or else a new one: a pending key of another algorithm is no successor',
      'active',
      [active(), pending(0, { algorithm: 'RS256' })],
      [revoke('active'), publishActive],
    ],
    [
      'or else a new one: a pending key that does not hold up is no successor',
      'active',
      [active(), forged(0)],
      [revoke('active'), publishActive],
    ],
    [
      'of an active key that does not hold up lets the pending one sign at once',
      'active',
      [active(broken), pending(0)],
      [revoke('active'), { kind: 'activate', kid: 'pending' }],
    ],
    ['of the pending key publishes another', 'pending', [active(), pending(0)], [revoke('pending'), publish]],
    ['of a retired key ends its verifying', 'retired', [active(), over('retired', 5)], [revoke('retired')]],
    [
      'says so of the algorithm that is in the row',
      'retired',
      [active(), { ...over('retired', 5), algorithm: 'RS256' }],
      [revoke('retired', 'RS256')],
    ],
    ['of a revoked key does nothing', 'revoked', [active(), over('revoked', 5)], []],
    ['of an unknown key does nothing', 'unknown', [active()], []],
  ])('%s', (_, kid, keys, steps) => {
    expect(planRevocation(keys, kid, policy, authenticatorOf)).toEqual(steps);
  });
});

test('a key verifies for as long as a node may take it in ignorance, have it in hand, a token live, clocks differ, and a minute', () => {
  const encryptionKeys = [{ id: 1, secret: 'a secret of thirty-two bytes, or of more' }];
  const options = resolveOptions({
    issuer: 'https://issuer.test',
    audience: 'https://api.test',
    accessToken: {
      lifetime: '10m',
      claimsTimeout: '50s',
      managedKeys: { encryptionKeys, rotateEvery: '1d' },
    },
    refreshToken: { keys: encryptionKeys },
    database: { queryTimeout: '100s' },
  });
  expect(keyPolicy(options, options.accessToken.managedKeys!)).toEqual({
    algorithm: 'ES256',
    rotateEvery: 86_400_000,
    publishLead: 3_600_000,
    verifyFor: (3600 + 50 + 100 + 600 + 5 + 60) * 1000,
  });
});

/** What can happen, over and over, in any order. */
type Happening =
  | { readonly kind: 'pass'; readonly time: number }
  | { readonly kind: 'sign'; readonly age: number }
  | {
      readonly kind: 'upkeep' | 'rotate';
      readonly algorithm: 'ES256' | 'RS256';
      readonly hasCandidate: boolean;
    }
  | { readonly kind: 'revoke'; readonly which: number }
  | { readonly kind: 'forge'; readonly standing: KeyStanding; readonly age: number };

const happening: Arbitrary<Happening> = oneof(
  {
    weight: 4,
    arbitrary: record({
      kind: constant('pass' as const),
      time: oneof(nat(2 * publishLead), nat(rotateEvery)),
    }),
  },
  { weight: 2, arbitrary: record({ kind: constant('sign' as const), age: nat(publishLead - 1) }) },
  {
    weight: 6,
    arbitrary: record({
      kind: constantFrom('upkeep' as const, 'upkeep' as const, 'rotate' as const),
      algorithm: constantFrom('ES256' as const, 'RS256' as const),
      hasCandidate: boolean(),
    }),
  },
  { weight: 1, arbitrary: record({ kind: constant('revoke' as const), which: nat(5) }) },
  {
    weight: 1,
    arbitrary: record({
      kind: constant('forge' as const),
      standing: constantFrom('unsound' as const, 'foreign' as const),
      age: nat(2 * publishLead),
    }),
  },
);

/** A token somebody holds: `kid` must verify it for as long as it can be believed. */
interface Token {
  readonly kid: string;
  readonly until: number;
}

/** The longest life of an access token, and how far clocks may differ. */
const BELIEVED = verifyFor - publishLead - 60_000;

/** The authenticator of every revoked key. */
const REVOKED = Buffer.from('revoked');

/** Everything that is done to the keys of one system; `broken` collects what must never be. */
class System {
  now = 0;
  keys: StoredSigningKey[] = [];
  changes = 0;
  readonly broken: string[] = [];
  readonly #tokens: Token[] = [];
  /** by kid, the keys that no node made */
  readonly #forged = new Map<string, KeyStanding>();
  /** since when which key has been active */
  readonly #history: { readonly at: number; readonly kid: string }[] = [];

  happen(what: Happening): void {
    switch (what.kind) {
      case 'pass':
        this.now += what.time;
        return;
      case 'sign':
        return this.#sign(this.now - what.age);
      case 'upkeep':
      case 'rotate': {
        const plan = what.kind === 'rotate' ? planRotation : planKeys;
        const changed = { ...policy, algorithm: what.algorithm };
        return this.#change(
          plan(this.#judged(), changed, this.now),
          what.hasCandidate ? candidateKey(changed) : null,
        );
      }
      case 'revoke': {
        const kid = this.keys[what.which]?.kid ?? 'unknown';
        return this.#change(
          planRevocation(this.#judged(), kid, policy, () => REVOKED),
          candidateKey(),
          kid,
        );
      }
      case 'forge': {
        // The index of the table refuses a second one.
        if (this.keys.some(({ state }) => state === 'pending')) return;
        const key = storedKey({ state: 'pending', publishedAt: this.now - what.age });
        this.#forged.set(key.kid, what.standing);
        this.keys = [...this.keys, key];
        return;
      }
    }
  }

  #judged(): JudgedSigningKey[] {
    return this.keys.map((key) => ({ ...key, standing: this.#forged.get(key.kid) ?? 'sound' }));
  }

  /** By a node that last heard of the keys at `asked`. */
  #sign(asked: number): void {
    const known = this.#history.findLast(({ at }) => at <= asked);
    if (known) this.#tokens.push({ kid: known.kid, until: this.now + BELIEVED });
  }

  #change(steps: readonly KeyStep[], candidate: NewSigningKey | null, revoked?: string): void {
    const before = this.keys;
    // A node makes the key pair, and asks again.
    if (!candidate && steps.some(({ kind }) => kind === 'publish')) return;
    for (const step of steps) {
      this.keys = applyStep(this.keys, step, candidate, this.now);
      // After every single step, as the unique index of the table demands.
      for (const state of ['active', 'pending']) {
        this.#demand(this.keys.filter((key) => key.state === state).length <= 1, `two keys are ${state}`);
      }
    }
    this.changes += steps.length;
    this.#judge(before, revoked);
    const signing = this.keys.find(({ state }) => state === 'active');
    if (signing) this.#history.push({ at: this.now, kid: signing.kid });
  }

  #judge(before: readonly StoredSigningKey[], revoked: string | undefined): void {
    const had = before.find(({ state }) => state === 'active');
    const has = this.keys.find(({ state }) => state === 'active');
    this.#demand(!had || has !== undefined, 'no key is active any more');
    this.#demand(!has || !this.#forged.has(has.kid), 'a forged key is active');
    if (had && has && has.kid !== had.kid && had.kid !== revoked) {
      this.#demand(before.find(({ kid }) => kid === has.kid)?.state === 'pending', 'it was not published');
      this.#demand(this.now - has.publishedAt >= publishLead, 'it was published too late');
    }
    for (const key of before.filter(({ kid }) => !this.keys.some((left) => left.kid === kid))) {
      this.#demand(
        key.verifyUntil === null ? key.activatedAt === null : this.now >= key.verifyUntil,
        'it is gone before its time',
      );
    }
    for (const { state, privateKey, verifyUntil, authenticator } of this.keys) {
      this.#demand((authenticator === REVOKED) === (state === 'revoked'), 'its revocation can be undone');
      const isOver = state === 'retired' || state === 'revoked';
      this.#demand((privateKey === null) === isOver, 'it can sign for ever, or never');
      this.#demand((verifyUntil !== null) === isOver, 'it has no end, or one too early');
    }
    for (const { kid, until } of this.#tokens) {
      this.#demand(this.now >= until || this.keys.some((key) => key.kid === kid), 'a token lost its key');
    }
  }

  #demand(holds: boolean, fault: string): void {
    if (!holds) this.broken.push(fault);
  }
}

test('at any interleaving one key is active, published before it signs, and verifies to the last token', () => {
  let changes = 0;
  assert(
    property(array(happening, { minLength: 30, maxLength: 80 }), (happenings) => {
      const system = new System();
      for (const what of happenings) system.happen(what);
      changes += system.changes;
      expect(system.broken).toEqual([]);
    }),
    { numRuns: 300 },
  );
  expect(changes).toBeGreaterThan(1000);
});
