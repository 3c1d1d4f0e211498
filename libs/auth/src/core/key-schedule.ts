import type { ResolvedManagedKeys, ResolvedOptions, SigningAlgorithm } from './options.js';

/** Algorithms whose keys can be kept in the database: a shared secret has no public part to publish. */
export type ManagedAlgorithm = Exclude<SigningAlgorithm, 'HS256'>;

/** pending → active → retired → deleted; from each of the first three, `revoked` → deleted. */
export type SigningKeyState = 'pending' | 'active' | 'retired' | 'revoked';

/** A key pair as it is to be stored; its private part sealed. */
export interface NewSigningKey {
  /** RFC 7638 thumbprint of the public part */
  readonly kid: string;
  readonly algorithm: string;
  /** public members only */
  readonly publicKey: Readonly<Record<string, unknown>>;
  readonly privateKey: Buffer;
  /** shows that a node with the key-encryption secret made this key; outlives the private part, until the key is revoked */
  readonly authenticator: Buffer;
}

/** A key as it is stored. Times are milliseconds since the epoch on the store's clock. */
export interface StoredSigningKey extends Omit<NewSigningKey, 'privateKey'> {
  readonly state: SigningKeyState;
  /** null once the key cannot sign any more */
  readonly privateKey: Buffer | null;
  readonly publishedAt: number;
  readonly activatedAt: number | null;
  readonly retiredAt: number | null;
  /** of a retired or revoked key: when nothing it signed can be believed any more */
  readonly verifyUntil: number | null;
  readonly revokedAt: number | null;
}

/**
 * What a node makes of a row. `foreign`: made by a node of another configuration, it seems, which alone can tell;
 * `unsound`: forged or damaged.
 */
export type KeyStanding = 'sound' | 'foreign' | 'unsound';

/** A key to make plans with. The standing of a pending one decides whether it may ever sign; that of a revoked one nothing. */
export interface JudgedSigningKey extends StoredSigningKey {
  readonly standing: KeyStanding;
}

/** All but the algorithm in milliseconds. */
export interface KeyPolicy {
  readonly algorithm: ManagedAlgorithm;
  readonly rotateEvery: number;
  /** how long a key is published before it signs, and how old a node's knowledge may be while it signs */
  readonly publishLead: number;
  /** how long a key verifies after it was replaced */
  readonly verifyFor: number;
}

/** One change of one key. Those of a plan are made in order, in one transaction; `publish` adds a new key. */
export type KeyStep =
  | { readonly kind: 'publish'; readonly state: 'pending' | 'active' }
  | { readonly kind: 'activate' | 'delete'; readonly kid: string }
  | { readonly kind: 'retire'; readonly kid: string; readonly verifyFor: number }
  | {
      readonly kind: 'revoke';
      readonly kid: string;
      readonly verifyFor: number;
      /** takes the place of the key's own, which is gone with it: shows that a node revoked this key */
      readonly authenticator: Buffer;
    };

/** For a time stamp older than its commit, and for clocks that do not run alike. */
const MARGIN = 60_000;

/** The policy that validated options ask for. */
export function keyPolicy(
  {
    accessToken,
    clockTolerance,
    database,
  }: Pick<ResolvedOptions, 'accessToken' | 'clockTolerance' | 'database'>,
  managed: ResolvedManagedKeys,
): KeyPolicy {
  const publishLead = managed.publishLead * 1000;
  // A key is taken in hand first; then the claims provider is asked, and the database; then it signs.
  const inHand = accessToken.claimsTimeout + database.queryTimeout;
  return {
    // HS256 beside managed keys is a fault of the options.
    algorithm: accessToken.algorithm as ManagedAlgorithm,
    rotateEvery: managed.rotateEvery * 1000,
    publishLead,
    // A node that has not heard of the change takes it for publishLead more; the last token it signs lives its whole life.
    verifyFor: publishLead + (inHand + accessToken.lifetime + clockTolerance) * 1000 + MARGIN,
  };
}

/**
 * Says what is due. Pure; nothing is due most of the time.
 *
 * A pending key means that a change has been decided, by the calendar or by hand: it takes over once it has been
 * published for `publishLead`. So the calendar publishes one `publishLead` before the active key's end. One that is
 * unsound decides nothing, and goes: it would keep the place of the next.
 *
 * An active key is taken as it is, unsound or not: nothing takes its place before its time. Whoever cannot read it may
 * be the one that is wrong, and two nodes of different secrets would replace each other's keys for ever.
 *
 * @param now milliseconds since the epoch on the store's clock
 * @see docs/protocol.md, "Keys in the database"
 */
export function planKeys(keys: readonly JudgedSigningKey[], policy: KeyPolicy, now: number): KeyStep[] {
  const steps: KeyStep[] = keys
    .filter(({ verifyUntil }) => verifyUntil !== null && now >= verifyUntil)
    .map(({ kid }) => ({ kind: 'delete', kid }));
  const active = inState(keys, 'active');
  const pending = inState(keys, 'pending');
  if (pending && isNobodys(pending, policy, now)) {
    const others = keys.filter((key) => key !== pending);
    return [{ kind: 'delete', kid: pending.kid }, ...planKeys(others, policy, now)];
  }
  if (!active) return [...steps, ...succeed(pending, policy)];

  if (pending) {
    const published = now - pending.publishedAt;
    if (pending.standing === 'foreign' || published < policy.publishLead) return steps;
    // Left by a node of another configuration. Not sooner: two deployments at once would else undo each other all the time.
    if (pending.algorithm !== policy.algorithm) return [...steps, { kind: 'delete', kid: pending.kid }];
    return [
      ...steps,
      { kind: 'retire', kid: active.kid, verifyFor: policy.verifyFor },
      { kind: 'activate', kid: pending.kid },
    ];
  }
  const end = (active.activatedAt ?? active.publishedAt) + policy.rotateEvery;
  const isOfAnother = active.standing !== 'unsound' && active.algorithm !== policy.algorithm;
  const isDue = isOfAnother || now >= end - policy.publishLead;
  return isDue ? [...steps, { kind: 'publish', state: 'pending' }] : steps;
}

/** As `planKeys`, and decides on a change now: the next key is published, unless one is already. */
export function planRotation(keys: readonly JudgedSigningKey[], policy: KeyPolicy, now: number): KeyStep[] {
  const steps = planKeys(keys, policy, now);
  const pending = inState(keys, 'pending');
  const isUnderWay =
    (pending && !isNobodys(pending, policy, now)) ||
    steps.some(({ kind }) => kind === 'publish' || kind === 'activate');
  return isUnderWay ? steps : [...steps, { kind: 'publish', state: 'pending' }];
}

/**
 * Ends a key at once. Who has it may sign with it, so nothing is waited for: the key published next takes over,
 * or else a new one. A pending key is replaced by another.
 *
 * @param authenticatorOf makes the authenticator a key has from its revocation on
 * @returns nothing to do for a key that is unknown, or revoked already
 */
export function planRevocation(
  keys: readonly JudgedSigningKey[],
  kid: string,
  policy: KeyPolicy,
  authenticatorOf: (key: StoredSigningKey) => Buffer,
): KeyStep[] {
  const key = keys.find((candidate) => candidate.kid === kid);
  if (!key || key.state === 'revoked') return [];
  const revoke: KeyStep = {
    kind: 'revoke',
    kid,
    verifyFor: policy.verifyFor,
    authenticator: authenticatorOf(key),
  };
  if (key.state === 'active') return [revoke, ...succeed(inState(keys, 'pending'), policy)];
  return key.state === 'pending' ? [revoke, { kind: 'publish', state: 'pending' }] : [revoke];
}

/**
 * No node will ever let this pending key sign. One of another configuration had its chance: those who know it activate
 * it after one `publishLead`. Its time is no more believed than the rest of it: a forged one may lie in the future.
 */
function isNobodys(
  { standing, publishedAt }: JudgedSigningKey,
  { publishLead }: KeyPolicy,
  now: number,
): boolean {
  return standing === 'unsound' || (standing === 'foreign' && Math.abs(now - publishedAt) >= 2 * publishLead);
}

/** There is no active key: nobody signs, so nobody is served by waiting. */
function succeed(pending: JudgedSigningKey | undefined, policy: KeyPolicy): KeyStep[] {
  return pending?.standing === 'sound' && pending.algorithm === policy.algorithm
    ? [{ kind: 'activate', kid: pending.kid }]
    : [{ kind: 'publish', state: 'active' }];
}

function inState(keys: readonly JudgedSigningKey[], state: SigningKeyState): JudgedSigningKey | undefined {
  return keys.find((key) => key.state === state);
}

export const NOTHING_TO_PUBLISH = 'There is no key to publish';

/**
 * The keys as they are after one step, as the SQL of the PostgreSQL store makes them.
 *
 * @param candidate what `publish` adds
 * @throws {Error} there is nothing to publish, or a key of that `kid` already: whoever asked for a new key would get none
 */
export function applyStep(
  keys: readonly StoredSigningKey[],
  step: KeyStep,
  candidate: NewSigningKey | null,
  now: number,
): StoredSigningKey[] {
  if (step.kind === 'publish') {
    if (!candidate) throw new Error(NOTHING_TO_PUBLISH);
    if (keys.some(({ kid }) => kid === candidate.kid)) throw new Error('The key to publish is there already');
    return [...keys, newKey(candidate, step.state, now)];
  }
  return keys.flatMap((key) => {
    if (key.kid !== step.kid) return [key];
    switch (step.kind) {
      case 'delete':
        return [];
      case 'activate':
        return [{ ...key, state: 'active' as const, activatedAt: now }];
      case 'retire':
        return [{ ...key, ...over(key, step.verifyFor, now), state: 'retired' as const, retiredAt: now }];
      case 'revoke':
        return [revokedKey(key, step, now)];
    }
  });
}

function newKey(candidate: NewSigningKey, state: 'pending' | 'active', now: number): StoredSigningKey {
  return {
    ...candidate,
    state,
    publishedAt: now,
    activatedAt: state === 'active' ? now : null,
    retiredAt: null,
    verifyUntil: null,
    revokedAt: null,
  };
}

function revokedKey(
  key: StoredSigningKey,
  { verifyFor, authenticator }: Extract<KeyStep, { kind: 'revoke' }>,
  now: number,
): StoredSigningKey {
  return { ...key, ...over(key, verifyFor, now), authenticator, state: 'revoked', revokedAt: now };
}

/** What cannot sign any more is destroyed. */
function over(key: StoredSigningKey, verifyFor: number, now: number) {
  return { privateKey: null, verifyUntil: key.verifyUntil ?? now + verifyFor };
}
