import type { RevocationReason } from '../core/family.js';
import type { DeletedPage, RevokedFamily, RevokedSession, Stamped } from '../core/ports.js';
import { isConflict, type PrimaryConnection } from './primary-connection.js';
import { primaryTime, type Row } from './rows.js';
import type { Statements } from './statements.js';
import { BEFORE_ALL, DELETION_PAGE, REVOCATION_PAGE, REVOKED_PAGE } from './walk.statements.js';

/** More would mean that something else is wrong. */
const MAX_ATTEMPTS = 3;

/** What goes through many families: in pages, each a short statement of its own, so that nobody waits long for a row. */
export class FamilyWalks {
  constructor(
    private readonly primary: PrimaryConnection,
    private readonly sql: Statements,
    private readonly lockTimeout: string,
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
    take: (families: readonly RevokedFamily[]) => void,
  ): Promise<void> {
    const [moment] = await this.primary.run(this.sql.lockEveryone, [this.lockTimeout]);
    primaryTime(moment!);
    let after: string | null = BEFORE_ALL;
    while (after !== null) {
      const rows = await this.#revokePage([this.lockTimeout, after, moment![2], clientId ?? null, reason]);
      take(rows.flatMap(([, , sid, subject]) => (sid == null ? [] : [{ sid, subject: subject! }])));
      after = nextAfter(rows[0]!, REVOCATION_PAGE);
    }
  }

  /** @param keep, lifetime milliseconds */
  async deleteOver(keep: number, lifetime: number, after: string | null): Promise<DeletedPage> {
    const values = [after ?? BEFORE_ALL, keep, Math.ceil(lifetime + keep)];
    const [row] = await this.primary.transaction([[this.sql.deletePage, values]]);
    return { deleted: Number(row![2]), next: nextAfter(row!, DELETION_PAGE) };
  }

  /** 40P01: an application that ends logins of several subjects in one transaction locks in an order of its own. */
  async #revokePage(values: unknown[]): Promise<Row[]> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.primary.transaction([[this.sql.revokePage, values]]);
      } catch (error) {
        if (!isConflict(error) || attempt === MAX_ATTEMPTS) throw error;
      }
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
