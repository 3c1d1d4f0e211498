import type { LoggerService } from '@nestjs/common';
import { UnavailableError, type AuthError, type AuthErrorCode } from '../core/errors.js';
import { LogEntry } from '../core/log-entry.js';
import type { Clock } from '../core/ports.js';

/** Milliseconds in which an outage is told once: while it lasts, it meets every request. */
const ONCE_IN = 60_000;

/** A stranger can name a key nobody has, as often as they like. Whoever looks for keys tells once that it cannot. */
const ASKED_FOR_BY_STRANGERS: ReadonlySet<AuthErrorCode> = new Set<AuthErrorCode>([
  'ERR_REFRESH_TOKEN_KEY_UNKNOWN',
  'ERR_VERIFICATION_KEYS_UNAVAILABLE',
]);

/** Whether an operator has to know: what strangers can cause must not fill a log of errors. */
function isOutage(error: AuthError): boolean {
  return error instanceof UnavailableError && !ASKED_FOR_BY_STRANGERS.has(error.code);
}

/** Of what is broken. The cause of any other refusal may quote what a client sent. */
function causeOf(error: AuthError): string | undefined {
  return error instanceof UnavailableError && error.cause instanceof Error ? error.cause.message : undefined;
}

interface Told {
  readonly at: number;
  /** the same, on the wall */
  readonly since: number;
  /** how many followed within the minute */
  suppressed: number;
}

/**
 * Tells the log what was refused: an outage as an error, once a minute for each code; all else for debugging. What went
 * untold in the minute after an error stands in the next one of that code, be it days later: with the time of the former.
 */
export class RefusalLog {
  readonly #told = new Map<AuthErrorCode, Told>();

  constructor(
    private readonly logger: Pick<LoggerService, 'error'> & Required<Pick<LoggerService, 'debug'>>,
    private readonly clock: Clock,
  ) {}

  add(error: AuthError): void {
    const { code } = error;
    const fields = { code, cause: causeOf(error) };
    const untold = isOutage(error) ? this.#takeNews(code) : null;
    if (untold === null) this.logger.debug(new LogEntry(fields));
    else this.logger.error(new LogEntry({ ...fields, ...untold }));
  }

  /** What went untold before this one; null when it is to go untold itself. */
  #takeNews(code: AuthErrorCode): { readonly suppressed?: number; readonly since?: string } | null {
    const at = this.clock.monotonic();
    const last = this.#told.get(code);
    if (last && at - last.at < ONCE_IN) {
      last.suppressed++;
      return null;
    }
    this.#told.set(code, { at, since: this.clock.now(), suppressed: 0 });
    if (!last?.suppressed) return {};
    return { suppressed: last.suppressed, since: new Date(last.since).toISOString() };
  }
}
