import type { LoggerService } from '@nestjs/common';
import { ConfigError, UnavailableError } from '../core/errors.js';
import {
  planKeys,
  planRevocation,
  planRotation,
  type JudgedSigningKey,
  type KeyPolicy,
  type KeyStep,
} from '../core/key-schedule.js';
import { elapsedSince, instantOf, type Instant } from '../core/instant.js';
import type { Clock, KeySource, SigningKeys, SigningKeyStore } from '../core/ports.js';
import { reasonOf } from '../core/reason.js';
import type { KeyEncryption } from './key-encryption.js';
import { generateSigningKey } from './key-pairs.js';
import type { KeyRing, VerificationKey } from './key-ring.js';
import { StoredKeys, type ImportedKey } from './stored-keys.js';

type Plan = (keys: readonly JudgedSigningKey[], now: number) => readonly KeyStep[];

/** For a flood of unknown kids; a key that others know reaches this node by its next poll anyway. */
const SEEK_COOL_DOWN = 5_000;

/**
 * Keeps a ring in step with the keys in the store, and the keys in step with the calendar.
 *
 * Everything here is done one after the other, so that no late answer puts an older state over a newer one.
 */
export class ManagedKeys implements KeySource {
  #last: Promise<unknown> = Promise.resolve();
  #refreshing: Promise<void> | null = null;
  #seeking: Promise<void> = Promise.resolve();
  #soughtAt = -Infinity;
  /** when the store was asked for what this node knows */
  #asked: Instant | null = null;
  readonly #stored: StoredKeys;
  /** what the ring was made of */
  #contents: readonly ImportedKey[] = [];
  /** the faults of the last reading */
  #told: ReadonlySet<string> = new Set();
  #failing = false;
  #unread = false;

  constructor(
    private readonly store: SigningKeyStore,
    private readonly ring: KeyRing,
    private readonly encryption: KeyEncryption,
    private readonly policy: KeyPolicy,
    private readonly clock: Clock,
    private readonly logger: Pick<LoggerService, 'log' | 'error'>,
    /** milliseconds */
    private readonly coolDown = SEEK_COOL_DOWN,
  ) {
    this.#stored = new StoredKeys(encryption);
  }

  /**
   * Fills the ring before the application serves; makes the first key when there is none.
   *
   * @throws {ConfigError} a key cannot be opened, is damaged, or was not made by a node with the key-encryption secret:
   * nothing was changed, and no other key takes its place; or says what the database said
   */
  start(): Promise<void> {
    return this.#inTurn(async () => {
      try {
        const known = await this.#read();
        if (known.faults.length > 0) throw new ConfigError(known.faults);
        const found = await this.#change(known, this.#due);
        if (found.faults.length > 0) throw new ConfigError(found.faults);
      } catch (error) {
        if (!(error instanceof UnavailableError)) throw error;
        throw new ConfigError([`signing keys cannot be kept in the database: ${reasonOf(error)}`]);
      }
    });
  }

  /**
   * One statement, when nothing is due. What is due and cannot be done now is logged, and tried again the next time:
   * the keys were read all the same. Callers that come together share it, and need not wait for it.
   */
  refresh(): Promise<void> {
    this.#refreshing ??= this.#inTurn(async () => {
      try {
        await this.#refresh();
      } finally {
        this.#refreshing = null;
      }
    });
    return this.#refreshing;
  }

  seek(): Promise<void> {
    const now = this.clock.monotonic();
    if (now - this.#soughtAt >= this.coolDown) {
      this.#soughtAt = now;
      this.#seeking = this.#inTurn(() => this.#seek());
    }
    // Within the cool-down its outcome is everybody's: after a failure nobody can tell whether a kid is good.
    return this.#seeking;
  }

  /** @throws {UnavailableError} the store did not answer in time */
  list(): Promise<readonly JudgedSigningKey[]> {
    return this.#inTurn(async () => this.#tell(await this.#read()).keys);
  }

  /**
   * @returns the key that takes over next, or did so just now
   * @throws {UnavailableError} not known to have happened; repeat the call
   */
  rotate(): Promise<JudgedSigningKey> {
    return this.#inTurn(async () => {
      const known = this.#tell(await this.#read());
      const plan: Plan = (keys, now) => planRotation(keys, this.policy, now);
      const { keys } = this.#tell(await this.#change(known, plan));
      return keys.find(({ state }) => state === 'pending') ?? keys.find(({ state }) => state === 'active')!;
    });
  }

  /**
   * @returns false when there is no such key, or it was revoked before
   * @throws {UnavailableError} not known to have happened; repeat the call
   */
  revoke(kid: string): Promise<boolean> {
    return this.#inTurn(async () => {
      const known = this.#tell(await this.#read());
      let isDone = false;
      const plan: Plan = (keys) => {
        const steps = planRevocation(keys, kid, this.policy, (key) =>
          this.encryption.authenticateRevoked(key),
        );
        isDone = steps.length > 0;
        return steps;
      };
      this.#tell(await this.#change(known, plan));
      return isDone;
    });
  }

  /** Milliseconds since the store was last read, and since the active key began to sign; 0 when none does. */
  get ages(): { readonly staleness: number; readonly activeKey: number } {
    const { activatedAt } = this.#active?.stored ?? { activatedAt: null };
    return {
      staleness: elapsedSince(this.#asked, this.clock),
      activeKey: activatedAt === null ? 0 : Math.max(0, this.clock.now() - activatedAt),
    };
  }

  readonly #due: Plan = (keys, now) => planKeys(keys, this.policy, now);

  async #refresh(): Promise<void> {
    const known = this.#tell(await this.#read());
    try {
      this.#tell(await this.#change(known, this.#due));
      if (this.#failing) this.logger.log('Signing keys are kept up to date again');
      this.#failing = false;
    } catch (error) {
      if (!this.#failing) this.logger.error(`Signing keys cannot be changed: ${reasonOf(error)}`);
      this.#failing = true;
    }
  }

  /** The outage is told once: the next stranger to name a key nobody has must not add a line. */
  async #seek(): Promise<void> {
    try {
      this.#tell(await this.#read());
    } catch (cause) {
      if (!this.#unread) this.logger.error(`Signing keys cannot be read: ${reasonOf(cause)}`);
      this.#unread = true;
      throw new UnavailableError('ERR_VERIFICATION_KEYS_UNAVAILABLE', { cause });
    }
  }

  async #read(): Promise<Reading> {
    const asked = instantOf(this.clock);
    const known = await this.store.load();
    if (this.#unread) this.logger.log('Signing keys are read again');
    this.#unread = false;
    return this.#take(known, asked);
  }

  /**
   * Does what `plan` asks for; asks it again on the fresh state under the store's lock.
   *
   * A key pair is made anew for every attempt. After an answer that was lost, nobody knows whether the one before is in
   * the table; or was, and has been revoked, and its row is gone.
   */
  async #change(known: Reading, plan: Plan): Promise<Reading> {
    const steps = plan(known.keys, known.now);
    if (steps.length === 0) return known;
    const candidate = publishes(steps)
      ? await generateSigningKey(this.policy.algorithm, this.encryption)
      : null;
    const asked = instantOf(this.clock);
    let faults: readonly string[] = [];
    let lacksKey = false;
    const changed = await this.store.change(candidate, (fresh, now) => {
      const judged = this.#stored.judge(fresh);
      // What the change deletes is no longer there to be found wanting.
      faults = judged.faults;
      const due = plan(judged.keys, now);
      lacksKey = candidate === null && publishes(due);
      // Not a part of it: without the new key, nobody might sign.
      return lacksKey ? [] : due;
    });
    const left = this.#take(changed, asked);
    const reading = { ...left, faults: [...new Set([...faults, ...left.faults])] };
    return lacksKey ? this.#change(reading, plan) : reading;
  }

  #take({ keys: rows, now }: SigningKeys, asked: Instant): Reading {
    this.#asked = asked;
    const { imported, keys, faults } = this.#stored.judge(rows);
    if (!isSame(imported, this.#contents)) {
      this.#contents = imported;
      const verifying = imported.flatMap(({ key }) => key ?? []).map(publicPart);
      this.ring.replace(verifying, this.#active?.key ?? null, () => this.#isFresh());
    }
    return { keys, now, faults };
  }

  #tell(reading: Reading): Reading {
    for (const fault of reading.faults) {
      if (!this.#told.has(fault)) this.logger.error(`A key cannot be used: ${fault}`);
    }
    this.#told = new Set(reading.faults);
    return reading;
  }

  get #active(): ImportedKey | undefined {
    return this.#contents.find(({ stored, key }) => stored.state === 'active' && key);
  }

  /**
   * Another node may have replaced the active key publishLead ago, and counts on nobody signing with it any more. On
   * whichever clock says more: a process may have slept.
   */
  #isFresh(): boolean {
    return elapsedSince(this.#asked, this.clock) < this.policy.publishLead;
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#last.then(work);
    this.#last = result.catch(() => {});
    return result;
  }
}

/** What the ring publishes must not hold the other half. */
function publicPart({ kid, algorithm, publicKey }: VerificationKey): VerificationKey {
  return { kid, algorithm, publicKey };
}

/** The keys at one moment of the store's clock. */
interface Reading {
  readonly keys: readonly JudgedSigningKey[];
  readonly now: number;
  readonly faults: readonly string[];
}

function publishes(steps: readonly KeyStep[]): boolean {
  return steps.some(({ kind }) => kind === 'publish');
}

function isSame(left: readonly ImportedKey[], right: readonly ImportedKey[]): boolean {
  return left.length === right.length && left.every((key, at) => key === right[at]);
}
