import { AuthError, type AuthErrorCode } from '../core/errors.js';
import { reasonIn, Tally, type Metric, type MetricSource } from '../core/metrics.js';

/** What `AccessGuard` and its steps refuse with. */
const REASONS: readonly AuthErrorCode[] = [
  'ERR_TOKEN_MISSING',
  'ERR_TOKEN_SENT_TWICE',
  'ERR_REQUEST_MALFORMED',
  'ERR_ACCESS_TOKEN_INVALID',
  'ERR_ACCESS_TOKEN_EXPIRED',
  'ERR_ACCESS_TOKEN_REVOKED',
  'ERR_SCOPE_INSUFFICIENT',
  'ERR_AUTHENTICATION_TOO_OLD',
  'ERR_CONTEXT_UNKNOWN',
  'ERR_REVOCATIONS_STALE',
  'ERR_VERIFICATION_KEYS_UNAVAILABLE',
  'ERR_SESSION_CHECK_UNAVAILABLE',
  'ERR_STORE_UNAVAILABLE',
];

/** What the guards of this node have decided; one for all of them. Of public routes nothing is decided. */
export class GuardOutcomes implements MetricSource {
  /** a plain number, as this is the way of nearly every request */
  admitted = 0;
  anonymous = 0;
  readonly #refused = new Tally<AuthErrorCode | 'ERR_UNEXPECTED'>([...REASONS, 'ERR_UNEXPECTED']);

  /** @param error what a subclass throws of its own is `unexpected`: a label takes no word that is not ours */
  refuse(error: unknown): void {
    this.#refused.add(error instanceof AuthError ? error.code : 'ERR_UNEXPECTED');
  }

  read(): readonly Metric[] {
    const { admitted, anonymous } = this;
    const samples = Object.entries({ admitted, anonymous }).map(([outcome, value]) => ({
      labels: { outcome },
      value,
    }));
    return [
      {
        name: 'token_family_guard_total',
        help: 'Requests and messages AccessGuard has decided about',
        type: 'counter',
        labels: ['outcome'],
        samples: [...samples, ...this.#refused.samples((code) => ({ outcome: reasonIn(code) }))],
      },
    ];
  }
}
