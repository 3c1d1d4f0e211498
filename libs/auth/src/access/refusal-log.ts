import type { LoggerService } from '@nestjs/common';
import { UnavailableError, type AuthError, type AuthErrorCode } from '../core/errors.js';
import type { Clock } from '../core/ports.js';

/** Milliseconds in which an outage is told once: on open sockets it meets every message. */
const ONCE_IN = 60_000;

/** A stranger can name a key nobody has, as often as they like. Whoever looks for keys tells once that it cannot. */
const ASKED_FOR_BY_STRANGERS: ReadonlySet<AuthErrorCode> = new Set<AuthErrorCode>([
  'ERR_REFRESH_TOKEN_KEY_UNKNOWN',
  'ERR_VERIFICATION_KEYS_UNAVAILABLE',
]);

/** Whether an operator has to know: what strangers can cause must not fill a log of errors. */
export function isOutage(error: AuthError): boolean {
  return error instanceof UnavailableError && !ASKED_FOR_BY_STRANGERS.has(error.code);
}

/** Tells the log what was refused over sockets: an outage as an error, once a minute for each code, all else for debugging. */
export class RefusalLog {
  readonly #toldAt = new Map<AuthErrorCode, number>();

  constructor(
    private readonly logger: Pick<LoggerService, 'error'> & Required<Pick<LoggerService, 'debug'>>,
    private readonly clock: Pick<Clock, 'monotonic'>,
  ) {}

  add(error: AuthError): void {
    const cause = error.cause instanceof Error ? `: ${error.cause.message}` : '';
    if (this.#isNews(error)) this.logger.error(error.code + cause);
    else this.logger.debug(error.code + cause);
  }

  #isNews(error: AuthError): boolean {
    if (!isOutage(error)) return false;
    const now = this.clock.monotonic();
    if (now - (this.#toldAt.get(error.code) ?? -Infinity) < ONCE_IN) return false;
    this.#toldAt.set(error.code, now);
    return true;
  }
}
