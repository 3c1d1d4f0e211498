import { Logger } from '@nestjs/common';
import { LogEntry } from '../core/log-entry.js';
import { reasonOf } from '../core/reason.js';
import type { RefreshTokenStore, TokenEventSink } from '../core/ports.js';

/** Ends again what a failover to a standby behind the last commits has brought back to life. */
export class LostRevocations {
  readonly #logger = new Logger(LostRevocations.name);
  #isRestoring = false;

  constructor(
    private readonly store: Pick<RefreshTokenStore, 'revoke'>,
    private readonly events: TokenEventSink,
  ) {}

  /**
   * Is not waited for, and fails nothing: what is still missing at the next reading is handed over again. A session
   * that another node has restored, or whose row is gone, is passed over.
   */
  async restore(sids: readonly string[]): Promise<void> {
    if (this.#isRestoring) return;
    this.#isRestoring = true;
    try {
      let restored = 0;
      for (const sid of sids) if (await this.#restoreOne(sid)) restored++;
      if (restored > 0) this.#logger.warn(new LogEntry({ event: 'revocations_restored', count: restored }));
    } catch (error) {
      this.#logger.error(new LogEntry({ event: 'revocations_not_restored', cause: reasonOf(error) }));
    } finally {
      this.#isRestoring = false;
    }
  }

  async #restoreOne(sid: string): Promise<boolean> {
    const family = await this.store.revoke(sid, 'restored');
    if (family) this.events.emit({ type: 'revoked', ...family, reason: 'restored' });
    return family !== null;
  }
}
