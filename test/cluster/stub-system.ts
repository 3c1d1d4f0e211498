import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Answer, Carrier, Door, Held } from './door.js';
import type { FamilyRow, TokenName } from './history.js';

/** What a system of this kind gets wrong. */
export type Bug =
  | 'no lock: two successors'
  | 'select, then update'
  | 'revocation without a lock'
  | 'a repeat within the leeway gets a sibling'
  | 'the cookie is cleared on 503'
  | 'refreshes read from a stale replica'
  | 'a revocation is lost on one node'
  | 'a revoked family is refreshed'
  | 'a revocation ends every token of the same second'
  | 'reuse is forgiven'
  | 'reuse ends nothing'
  | 'a retry is taken for reuse';

interface Row {
  readonly subject: string;
  generation: number;
  step: string;
  parent: string | null;
  /** the key that spent the parent */
  key: string | undefined;
  rotatedAt: number;
  issuedAt: number;
  revokedAt: number | null;
}

/** milliseconds between what is read and what is written on it */
const LATE = 6;
/** milliseconds a replica lags behind */
const LAG = 20;

/** The whole of it in memory, small and right, but for the bug it is given: what the checker is tried on. */
export class StubSystem {
  readonly #rows = new Map<string, Row>();
  /** as of some time ago */
  #replica = new Map<string, Row>();

  constructor(
    private readonly bug: Bug | null,
    private readonly leeway: number,
  ) {}

  doors(count: number): Door[] {
    return Array.from({ length: count }, (_, index) => new StubDoor(this, index));
  }

  rows(): FamilyRow[] {
    return [...this.#rows].map(([family, { generation, step, revokedAt }]) => {
      return { family, generation, step, revoked: revokedAt !== null };
    });
  }

  has(bug: Bug): boolean {
    return this.bug === bug;
  }

  login(subject: string): Answer {
    const sid = randomUUID();
    const now = performance.now();
    const step = randomUUID();
    const row = { subject, generation: 0, step, parent: null, key: undefined, revokedAt: null };
    this.#rows.set(sid, { ...row, rotatedAt: now, issuedAt: now });
    return this.#granted(sid, this.#rows.get(sid)!);
  }

  async refresh(text: string, key: string | undefined): Promise<Answer> {
    const [sid, step] = text.split('/') as [string, string];
    const row = this.#rows.get(sid)!;
    if (this.has('refreshes read from a stale replica'))
      return this.#judge(sid, this.#stale(sid, row), step, key);
    if (this.has('no lock: two successors') && row.step === step && row.revokedAt === null) {
      const generation = row.generation + 1;
      await sleep(LATE);
      Object.assign(row, { generation, parent: step, step: randomUUID(), key, rotatedAt: performance.now() });
      return this.#granted(sid, row);
    }
    if (this.has('select, then update')) {
      const seen = { ...row };
      const answer = this.#judge(sid, seen, step, key);
      await sleep(LATE);
      Object.assign(row, seen);
      return answer;
    }
    return this.#judge(sid, row, step, key);
  }

  async revoke(sid: string): Promise<boolean> {
    const row = this.#rows.get(sid)!;
    if (row.revokedAt !== null) return false;
    if (this.has('revocation without a lock')) {
      const seen = { ...row, revokedAt: performance.now() };
      await sleep(LATE);
      this.#rows.set(sid, seen);
      return true;
    }
    row.revokedAt = performance.now();
    if (this.has('a revocation ends every token of the same second')) {
      for (const other of this.#rows.values())
        if (other.issuedAt <= row.revokedAt) other.revokedAt = row.revokedAt;
    }
    return true;
  }

  isRevoked(sid: string): boolean {
    return this.#rows.get(sid)!.revokedAt !== null;
  }

  #judge(sid: string, row: Row, step: string, key: string | undefined): Answer {
    const age = performance.now() - row.rotatedAt;
    if (row.revokedAt !== null && !this.has('a revoked family is refreshed')) return REFUSED;
    if (row.step === step) {
      if (age < this.leeway && row.generation > 0) return this.#granted(sid, row);
      Object.assign(row, { generation: row.generation + 1, parent: step, key, rotatedAt: performance.now() });
      row.step = randomUUID();
      return this.#granted(sid, row);
    }
    const isRetry = row.parent === step && (age < this.leeway || (key !== undefined && row.key === key));
    if (isRetry && this.has('a repeat within the leeway gets a sibling')) row.step = randomUUID();
    if (this.has('reuse is forgiven') || (isRetry && !this.has('a retry is taken for reuse'))) {
      return this.#granted(sid, row);
    }
    if (!this.has('reuse ends nothing')) row.revokedAt ??= performance.now();
    return REFUSED;
  }

  #stale(sid: string, row: Row): Row {
    if (!this.#replica.has(sid)) {
      this.#replica.set(sid, { ...row });
      setTimeout(() => this.#replica.delete(sid), LAG);
    }
    const seen = { ...this.#replica.get(sid)! };
    return row.revokedAt === null ? row : seen;
  }

  #granted(sid: string, row: Row): Answer {
    const text = `${sid}/${row.step}/${row.generation}`;
    return { outcome: 'ok', reason: '200', sid, text, accessToken: sid };
  }
}

const REFUSED: Answer = { outcome: 'refused', reason: 'invalid_grant' };
const UNAVAILABLE: Answer = { outcome: 'unknown', reason: '503' };

class StubDoor implements Door {
  readonly name: string;
  #count = 0;

  constructor(
    private readonly system: StubSystem,
    private readonly index: number,
  ) {
    this.name = `node ${index}`;
  }

  nameOf(text: string): TokenName {
    return { generation: generationOf(text), step: text.split('/')[1]! };
  }

  async login(subject: string): Promise<Answer> {
    await sleep(1);
    return this.system.login(subject);
  }

  /** Now and then the answer is lost, or there is none to be had. */
  async refresh({ text, key }: Held, carrier: Carrier): Promise<Answer> {
    await sleep(1);
    this.#count++;
    if (this.#count % 7 === 0) {
      const clearedCookie = carrier === 'cookie' && this.system.has('the cookie is cleared on 503');
      return { ...UNAVAILABLE, ...(clearedCookie && { clearedCookie }) };
    }
    const answer = await this.system.refresh(text, key ?? text.split('/')[1]);
    await sleep(1);
    return this.#count % 5 === 0 && answer.outcome === 'ok' ? UNAVAILABLE : answer;
  }

  async logout({ text }: Held): Promise<Answer> {
    await this.system.revoke(text.split('/')[0]!);
    return { outcome: 'ok', reason: '204' };
  }

  async revoke(sid: string): Promise<Answer> {
    await sleep(1);
    return { outcome: (await this.system.revoke(sid)) ? 'ok' : 'refused', reason: '' };
  }

  /** A subject of this system has one family. */
  revokeAll(): Promise<Answer> {
    return Promise.resolve(UNAVAILABLE);
  }

  async access(sid: string): Promise<Answer> {
    await sleep(1);
    const deaf = this.index === 1 && this.system.has('a revocation is lost on one node');
    return !deaf && this.system.isRevoked(sid)
      ? { ...REFUSED, reason: 'invalid_token' }
      : { outcome: 'ok', reason: '200' };
  }
}

function generationOf(text: string): number {
  return Number(text.split('/')[2]);
}
