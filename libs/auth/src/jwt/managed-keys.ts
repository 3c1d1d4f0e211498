import type { LoggerService } from '@nestjs/common';
import { ConfigError, UnavailableError } from '../core/errors.js';
import {
  planKeys,
  planRevocation,
  planRotation,
  type JudgedSigningKey,
  type KeyPolicy,
  type KeyStep,
  type NewSigningKey,
  type StoredSigningKey,
} from '../core/key-schedule.js';
import type { Clock, KeySource, SigningKeys, SigningKeyStore } from '../core/ports.js';
import type { KeyEncryption } from './key-encryption.js';
import { generateSigningKey } from './key-pairs.js';
import type { KeyRing, VerificationKey } from './key-ring.js';
import { StoredKeys, type ImportedKey } from './stored-keys.js';

type Plan = (keys: readonly JudgedSigningKey[], now: number) => readonly KeyStep[];

/** Milliseconds on both of the node's clocks. */
interface Moment {
  readonly monotonic: number;
  readonly wall: number;
}

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
  #asked: Moment = { monotonic: -Infinity, wall: -Infinity };
  readonly #stored: StoredKeys;
  /** what the ring was made of */
  #contents: readonly ImportedKey[] = [];
  #told: ReadonlySet<string> = new Set();
  /** made for a change that failed, and kept for the next attempt: they take long to make, and failures repeat */
  #spare: NewSigningKey | null = null;
  #failing = false;

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
        const { known, faults } = await this.#read();
        if (faults.length > 0) throw new ConfigError(faults);
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
   * the keys were read all the same.
   */
  refresh(): Promise<void> {
    this.#refreshing ??= this.#inTurn(() => this.#refresh()).finally(() => {
      this.#refreshing = null;
    });
    return this.#refreshing;
  }

  seek(): Promise<void> {
    const now = this.clock.monotonic();
    if (now - this.#soughtAt >= this.coolDown) {
      this.#soughtAt = now;
      this.#seeking = this.#inTurn(async () => {
        this.#tell(await this.#read());
      });
    }
    // Within the cool-down its outcome is everybody's: after a failure nobody can tell whether a kid is good.
    return this.#seeking;
  }

  /** @throws {UnavailableError} the store did not answer in time */
  list(): Promise<readonly StoredSigningKey[]> {
    return this.#inTurn(async () => this.#tell(await this.#read()).keys);
  }

  /**
   * @returns the key that takes over next, or did so just now
   * @throws {UnavailableError} not known to have happened; repeat the call
   */
  rotate(): Promise<StoredSigningKey> {
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
        const steps = planRevocation(keys, kid, this.policy);
        isDone = steps.length > 0;
        return steps;
      };
      this.#tell(await this.#change(known, plan));
      return isDone;
    });
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

  async #read(): Promise<Reading> {
    const asked = this.#moment();
    return this.#take(await this.store.load(), asked);
  }

  /** Does what `plan` asks for; asks it again on the fresh state under the store's lock. */
  async #change(known: SigningKeys, plan: Plan): Promise<Reading> {
    const steps = plan(this.#stored.judge(known.keys).keys, known.now);
    if (steps.length === 0) return { known, faults: [] };
    if (steps.some(({ kind }) => kind === 'publish')) {
      this.#spare ??= await generateSigningKey(this.policy.algorithm, this.encryption);
    }
    const asked = this.#moment();
    let faults: readonly string[] = [];
    const changed = await this.store.change(this.#spare, (fresh, now) => {
      const judged = this.#stored.judge(fresh);
      // What the change deletes is no longer there to be found wanting.
      faults = judged.faults;
      return plan(judged.keys, now);
    });
    this.#spare = null;
    const left = this.#take(changed, asked);
    return { known: changed, faults: [...new Set([...faults, ...left.faults])] };
  }

  /** @returns the faults of what is new; none when the ring has it already */
  #take(known: SigningKeys, asked: Moment): Reading {
    this.#asked = asked;
    const imported = this.#stored.import(known.keys);
    if (isSame(imported, this.#contents)) return { known, faults: [] };
    const active = imported.find(({ stored, key }) => stored.state === 'active' && key);
    this.ring.replace(imported.flatMap(({ key }) => key ?? []).map(publicPart), active?.key ?? null, () =>
      this.#isFresh(),
    );
    this.#contents = imported;
    return { known, faults: imported.flatMap(({ fault }) => fault ?? []) };
  }

  #tell({ known, faults }: Reading): SigningKeys {
    const news = faults.filter((fault) => !this.#told.has(fault));
    for (const fault of news) this.logger.error(`A key cannot be used: ${fault}`);
    this.#told = new Set([...this.#told, ...news]);
    return known;
  }

  /**
   * Another node may have replaced the active key publishLead ago, and counts on nobody signing with it any more. On
   * whichever clock says more: a process may have slept.
   */
  #isFresh(): boolean {
    const { monotonic, wall } = this.#moment();
    const age = Math.max(monotonic - this.#asked.monotonic, wall - this.#asked.wall);
    return age < this.policy.publishLead;
  }

  #moment(): Moment {
    return { monotonic: this.clock.monotonic(), wall: this.clock.now() };
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

interface Reading {
  readonly known: SigningKeys;
  readonly faults: readonly string[];
}

function isSame(left: readonly ImportedKey[], right: readonly ImportedKey[]): boolean {
  return left.length === right.length && left.every((key, at) => key === right[at]);
}

function reasonOf(error: unknown): string {
  const { cause } = error as Error;
  return cause instanceof Error ? cause.message : String(error);
}
