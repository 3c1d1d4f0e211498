import { Logger, type BeforeApplicationShutdown, type OnApplicationShutdown } from '@nestjs/common';
import type { TokenEvent } from '../core/events.js';
import type { AuditEntry, AuditStore, Clock } from '../core/ports.js';
import { reasonOf } from '../core/reason.js';
import { readUuid, writeUuidV7 } from '../core/uuid.js';
import type { TokenEvents } from './token-events.js';

/** The end of everyone tells 5,000 events at once, and waits for them to be written before it goes on. */
const MOST_WAITING = 10_000;
const AT_ONCE = 1_000;
/** Milliseconds: for what comes together to go together, fewer than AT_ONCE, and for a database that fails to recover. */
const PAUSE = 1_000;
const PAUSE_AFTER_FAILURE = 5_000;
/** Milliseconds: an end comes before its entry. */
const PATIENCE = 2_000;

interface Waiting {
  readonly entry: AuditEntry;
  /** on this node's monotonic clock */
  readonly since: number;
}

/**
 * Writes down, in the table `token_audit`, what happened to sessions beyond the ordinary: reuse, forged tokens, tokens
 * beyond the row, late retries, and every revocation that is no logout.
 *
 * No request waits for it or fails by it: entries go to the database a moment later, together. Only the end of a client
 * or of everyone goes no faster than they are written. While the database takes none they are kept, up to 10,000; then the
 * oldest are lost, and the log says how many. A process that is killed loses those of its last second.
 *
 * What a login in the caller's transaction ends to stay within `sessions.maxPerSubject` is not written down: it is told
 * by no event.
 */
export class AuditTrail implements BeforeApplicationShutdown, OnApplicationShutdown {
  readonly #logger = new Logger(AuditTrail.name);
  #waiting: Waiting[] = [];
  #lost = 0;
  readonly #id = Buffer.alloc(16);
  #idTime = -Infinity;
  #timer: NodeJS.Timeout | undefined;
  #flushing: Promise<void> | null = null;
  #failing = false;
  #isClosing = false;

  /** @param store null when no trail is kept */
  constructor(
    private readonly store: AuditStore | null,
    events: TokenEvents,
    private readonly clock: Clock,
  ) {
    if (!store) return;
    for (const type of ['reused', 'forged', 'advanced', 'retried', 'revoked'] as const) {
      events.on(type, (event) => this.#note(event));
    }
  }

  /** While the data source is certainly there: what comes from now on is written at once, as it may close before us. */
  beforeApplicationShutdown(): Promise<void> {
    this.#isClosing = true;
    return this.flush();
  }

  async onApplicationShutdown(): Promise<void> {
    await this.flush();
    clearTimeout(this.#timer);
    const lost = this.#lost + this.#waiting.length;
    if (lost > 0)
      this.#logger.error(`The audit trail lost ${lost} entries: they were not written before the end`);
  }

  /**
   * Resolves when all that was noted is written, or after 2 s: for who makes more entries than can be kept. While the
   * database fails it waits for nothing.
   */
  async keptUp(): Promise<void> {
    if (this.#waiting.length === 0 || this.#failing) return;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => (timer = setTimeout(resolve, PATIENCE)));
    await Promise.race([this.flush(), late]);
    clearTimeout(timer);
  }

  /** Writes what is waiting; what cannot be written goes on waiting, and the log tells of it once. */
  flush(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#flushing ??= this.#flush().finally(() => {
      this.#flushing = null;
      if (this.#waiting.length > 0) this.#flushIn(this.#pause());
    });
    return this.#flushing;
  }

  #note(event: TokenEvent): void {
    const detail = detailOf(event);
    if (detail === undefined) return;
    this.#waiting.push({ entry: entryOf(this.#nextId(), event, detail), since: this.clock.monotonic() });
    this.#forgetOldest();
    if (this.#flushing) return;
    if (this.#isClosing || (this.#waiting.length >= AT_ONCE && !this.#failing)) void this.flush();
    else if (!this.#timer) this.#flushIn(PAUSE);
  }

  /** In the order of events, within a millisecond as well. RFC 9562 section 6.2, method 2. */
  #nextId(): string {
    const now = this.clock.now();
    if (now > this.#idTime) {
      writeUuidV7(this.#id, 0, now);
      // Room to count up in: 2³¹ from here.
      this.#id[12]! &= 0x7f;
      this.#idTime = now;
    } else {
      this.#id.writeUInt32BE(this.#id.readUInt32BE(12) + 1, 12);
    }
    return readUuid(this.#id, 0);
  }

  #pause(): number {
    if (this.#failing) return PAUSE_AFTER_FAILURE;
    return this.#isClosing ? 0 : PAUSE;
  }

  #flushIn(pause: number): void {
    this.#timer = setTimeout(() => void this.flush(), pause).unref();
  }

  async #flush(): Promise<void> {
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.splice(0, AT_ONCE);
      const now = this.clock.monotonic();
      try {
        await this.store!.append(batch.map(({ entry, since }) => ({ ...entry, age: now - since })));
      } catch (error) {
        this.#waiting = [...batch, ...this.#waiting];
        this.#forgetOldest();
        return this.#failed(error);
      }
    }
    this.#recovered();
  }

  #forgetOldest(): void {
    const excess = this.#waiting.length - MOST_WAITING;
    if (excess <= 0) return;
    this.#waiting.splice(0, excess);
    this.#lost += excess;
  }

  #failed(error: unknown): void {
    if (!this.#failing) this.#logger.error(`The audit trail cannot be written: ${reasonOf(error)}`);
    this.#failing = true;
  }

  #recovered(): void {
    if (this.#failing) this.#logger.log('The audit trail is written again');
    if (this.#lost > 0) this.#logger.error(`The audit trail lost ${this.#lost} entries, the oldest`);
    this.#failing = false;
    this.#lost = 0;
  }
}

/** What is particular to the event; undefined when it belongs to ordinary life. */
function detailOf(event: TokenEvent): AuditEntry['detail'] | undefined {
  switch (event.type) {
    case 'issued':
    case 'rotated':
    case 'repeated':
      return undefined;
    case 'retried':
      return event.late ? { late: true } : undefined;
    case 'advanced':
      return { lost: event.lost };
    case 'forged':
    case 'reused':
      return null;
    case 'revoked':
      return event.reason === 'logout' ? undefined : { reason: event.reason };
  }
}

function entryOf(id: string, event: TokenEvent, detail: AuditEntry['detail']): AuditEntry {
  const { type, sid, subject } = event;
  const token =
    type === 'revoked'
      ? { clientId: null, generation: null }
      : { clientId: event.clientId, generation: event.generation };
  return { id, type, sid, subject, ...token, detail };
}
