import type { RevocationListener } from '../core/revocation-ports.js';
import { MAX_NAMED } from './announcements.js';
import type { Row } from './rows.js';

/**
 * Sessions that a notification named. Whoever may connect can name any, so each is looked up before it is believed;
 * what is named while a look-up is under way shares the next one.
 */
export class HintedSessions {
  readonly #waiting = new Set<string>();
  #isAsking = false;

  constructor(
    /** `confirm` of channel.statements.ts */
    private readonly ask: (sids: readonly string[]) => Promise<Row[]>,
    private readonly listener: RevocationListener,
  ) {}

  add(sids: readonly string[]): void {
    for (const sid of sids) if (!this.listener.isKnown(sid)) this.#waiting.add(sid);
    if (this.#waiting.size > MAX_NAMED) {
      this.#waiting.clear();
      this.listener.missed();
    }
    if (!this.#isAsking) void this.#askAll();
  }

  async #askAll(): Promise<void> {
    this.#isAsking = true;
    while (this.#waiting.size > 0) {
      const sids = [...this.#waiting];
      this.#waiting.clear();
      await this.#confirm(sids);
    }
    this.#isAsking = false;
  }

  async #confirm(sids: readonly string[]): Promise<void> {
    try {
      const rows = await this.ask(sids);
      const sessions = rows.map(([, sid, revokedAt]) => ({ sid: sid!, revokedAt: Number(revokedAt) }));
      if (rows[0]) this.listener.heard(sessions, Number(rows[0][0]));
    } catch {
      this.listener.missed();
    }
  }
}
