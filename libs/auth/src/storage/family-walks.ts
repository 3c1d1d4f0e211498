import { UnavailableError } from '../core/errors.js';
import type { RevocationReason } from '../core/family.js';
import type { DeletedPage, RevokedFamily, RevokedSession, Stamped, TakeRevoked } from '../core/ports.js';
import type { PrimaryConnection } from './primary-connection.js';
import { primaryTime, type Row } from './rows.js';
import type { Statements } from './statements.js';
import { BEFORE_ALL, DELETION_PAGE, REVOCATION_PAGE, REVOKED_PAGE } from './walk.statements.js';

/** Milliseconds: for so long logins are held up by who waits for all of them, and then go on for as long. */
const LONGEST_TRY = 100;
/** As a share of the lock time-out, where that is short. */
const LARGEST_TRY = 0.25;

/** What goes through many families: in pages, each a short statement of its own, so that nobody waits long for a row. */
export class FamilyWalks {
  constructor(
    private readonly primary: PrimaryConnection,
    private readonly sql: Statements,
    /** milliseconds */
    private readonly lockTimeout: number,
  ) {}

  async revokedWithin(window: number, take: (sessions: readonly RevokedSession[]) => void): Promise<Stamped> {
    let rows = await this.primary.run(this.sql.revokedWithin, [window]);
    const now = primaryTime(rows[0]!);
    for (;;) {
      primaryTime(rows[0]!);
      take(rows.flatMap(readRevokedSession));
      if (rows.length < REVOKED_PAGE) return { now };
      const [, , sid, revokedAt] = rows.at(-1)!;
      rows = await this.primary.run(this.sql.revokedAfter, [revokedAt, sid]);
    }
  }

  async revokeEvery(
    { clientId }: { readonly clientId?: string },
    reason: RevocationReason,
    take: TakeRevoked,
  ): Promise<void> {
    const { until, isComplete } = await this.#momentOfAll();
    const which = [until, clientId ?? null, reason];
    const locked: string[] = [];
    let after: string | null = BEFORE_ALL;
    while (after !== null) {
      const rows = await this.primary.transaction([[this.sql.revokePage, [...which, after]]]);
      locked.push(...(await this.#told(rows, take)));
      after = nextAfter(rows[0]!, REVOCATION_PAGE);
    }
    const left = await this.#revokeLocked(locked, which, take);
    if (!isComplete) throw unavailable('A login was under way for longer than the lock time-out');
    if (left > 0) throw unavailable(`${left} families were locked for longer than the lock time-out`);
  }

  /** @param keep, lifetime milliseconds */
  async deleteOver(keep: number, lifetime: number, after: string | null): Promise<DeletedPage> {
    const values = [after ?? BEFORE_ALL, keep, Math.ceil(lifetime + keep)];
    const [row] = await this.primary.transaction([[this.sql.deletePage, values]]);
    return { deleted: Number(row![2]), next: nextAfter(row!, DELETION_PAGE) };
  }

  /**
   * Up to when logins began that there are, in microseconds: of all of them, or, after the lock time-out, without those
   * still being written. In short tries, as every login waits behind one, with its connection in hand.
   */
  async #momentOfAll(): Promise<{ until: string; isComplete: boolean }> {
    for await (const lockTimeout of this.#tries()) {
      const values = [String(lockTimeout)];
      const row = await this.#unlessLocked([
        [this.sql.lockEveryone, values],
        [this.sql.moment, []],
      ]);
      if (row) return { until: readMoment(row), isComplete: true };
    }
    const [row] = await this.primary.run(this.sql.moment, []);
    return { until: readMoment(row!), isComplete: false };
  }

  async #unlessLocked(steps: Parameters<PrimaryConnection['transaction']>[0]): Promise<Row | null> {
    try {
      return (await this.primary.transaction(steps))[0]!;
    } catch (error) {
      if (isLockTimeout(error)) return null;
      throw error;
    }
  }

  /** Tries until the lock time-out, without ever waiting in the database. @returns how many are left */
  async #revokeLocked(locked: readonly string[], which: unknown[], take: TakeRevoked): Promise<number> {
    let left = locked;
    const tries = this.#tries();
    while (left.length > 0 && !(await tries.next()).done) left = await this.#tryAgain(left, which, take);
    return left.length;
  }

  async #tryAgain(locked: readonly string[], which: unknown[], take: TakeRevoked): Promise<string[]> {
    const left: string[] = [];
    for (let start = 0; start < locked.length; start += REVOCATION_PAGE) {
      const ids = locked.slice(start, start + REVOCATION_PAGE);
      const rows = await this.primary.transaction([[this.sql.revokeLocked, [...which, ids]]]);
      left.push(...(await this.#told(rows, take)));
    }
    return left;
  }

  /** @returns the ids of those that were locked */
  async #told(rows: readonly Row[], take: TakeRevoked): Promise<string[]> {
    const ended: RevokedFamily[] = [];
    const locked: string[] = [];
    for (const [, , sid, subject] of rows) {
      if (sid == null) continue;
      if (subject == null) locked.push(sid);
      else ended.push({ sid, subject });
    }
    await take(ended);
    return locked;
  }

  /** Yields how long a try may take, with a pause of as much between two, until the lock time-out in all. */
  async *#tries(): AsyncGenerator<number, void> {
    const end = performance.now() + this.lockTimeout;
    const duration = Math.ceil(Math.min(LONGEST_TRY, this.lockTimeout * LARGEST_TRY));
    for (;;) {
      yield duration;
      if (performance.now() + duration >= end) return;
      await new Promise((resolve) => setTimeout(resolve, duration));
    }
  }
}

/** From the first two columns of a page, its last id and its size: where the next one begins; null when there is none. */
export function nextAfter([last, size]: Row, full: number): string | null {
  return Number(size) === full ? last! : null;
}

function readRevokedSession([, , sid, revokedAt]: Row): RevokedSession[] {
  return sid == null ? [] : [{ sid, revokedAt: Number(revokedAt) / 1000 }];
}

function readMoment(row: Row): string {
  primaryTime(row);
  return row[2]!;
}

function unavailable(reason: string): UnavailableError {
  return new UnavailableError('ERR_STORE_UNAVAILABLE', { cause: new Error(reason) });
}

/** 55P03: lock_not_available. */
function isLockTimeout(error: unknown): boolean {
  const cause =
    error instanceof UnavailableError ? (error.cause as { code?: unknown } | undefined) : undefined;
  return cause?.code === '55P03';
}
