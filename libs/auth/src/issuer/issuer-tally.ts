import {
  AuthError,
  InvalidGrantError,
  SessionMismatchError,
  InvalidRequestError,
  InvalidScopeError,
  UnavailableError,
  type AuthErrorCode,
} from '../core/errors.js';
import { REVOCATION_REASONS, type RevocationReason } from '../core/family.js';
import { reasonIn, single, Tally, type Metric, type MetricSource } from '../core/metrics.js';
import type { TokenEvents } from './token-events.js';

/** What a refresh that was answered came to; a `retried_late` one was proved by its Idempotency-Key alone. */
export type RefreshVerdict = 'rotated' | 'repeated' | 'retried' | 'retried_late' | 'advanced';

type Outcome =
  RefreshVerdict | 'reused' | 'failed' | `${'refused' | 'invalid' | 'unavailable'} ${AuthErrorCode}`;

/** Told from the start; what is not among them is told once it happens. */
const KNOWN: readonly Outcome[] = [
  'rotated',
  'repeated',
  'retried',
  'retried_late',
  'advanced',
  'reused',
  'failed',
  'refused ERR_REFRESH_TOKEN_MALFORMED',
  'refused ERR_REFRESH_TOKEN_FORGED',
  'refused ERR_REFRESH_TOKEN_UNKNOWN',
  'refused ERR_REFRESH_TOKEN_REVOKED',
  'refused ERR_REFRESH_TOKEN_CLIENT_MISMATCH',
  'refused ERR_REFRESH_TOKEN_EXPIRED',
  'refused ERR_REFRESH_TOKEN_IDLE',
  'refused ERR_REFRESH_TOKEN_AHEAD',
  'refused ERR_SUBJECT_REFUSED',
  'invalid ERR_IDEMPOTENCY_KEY_MALFORMED',
  'invalid ERR_IDEMPOTENCY_KEY_REUSED',
  'invalid ERR_SESSION_MISMATCH',
  'invalid ERR_SCOPE_EXCEEDED',
  'unavailable ERR_REFRESH_TOKEN_KEY_UNKNOWN',
  'unavailable ERR_SIGNING_KEY_UNAVAILABLE',
  'unavailable ERR_STORE_UNAVAILABLE',
  'unavailable ERR_STORE_CONTENDED',
  'unavailable ERR_STORE_INCONSISTENT',
  'unavailable ERR_CLAIMS_UNAVAILABLE',
];

/** What this node has issued, refreshed and ended. Each call of `TokenService.rotate` counts once. */
export class IssuerTally implements MetricSource {
  readonly #refreshes = new Tally<Outcome>(KNOWN);
  readonly #revocations = new Tally<RevocationReason>(REVOCATION_REASONS);
  #logins = 0;

  constructor(events: TokenEvents) {
    events.on('issued', () => this.#logins++);
    events.on('revoked', ({ reason }) => this.#revocations.add(reason));
  }

  refreshed(verdict: RefreshVerdict): void {
    this.#refreshes.add(verdict);
  }

  notRefreshed(error: unknown): void {
    this.#refreshes.add(outcomeOf(error));
  }

  read(): readonly Metric[] {
    return [
      {
        name: 'token_family_refreshes_total',
        help: 'Refreshes by what they came to; code says why one was refused, invalid or unavailable',
        type: 'counter',
        labels: ['verdict', 'code'],
        samples: this.#refreshes.samples(labelsOf),
      },
      {
        name: 'token_family_revocations_total',
        help: 'Sessions this node has ended',
        type: 'counter',
        labels: ['reason'],
        samples: this.#revocations.samples((reason) => ({ reason })),
      },
      single('counter', 'token_family_logins_total', 'Sessions this node has begun', this.#logins),
    ];
  }
}

function outcomeOf(error: unknown): Outcome {
  if (!(error instanceof AuthError)) return 'failed';
  const { code } = error;
  if (code === 'ERR_REFRESH_TOKEN_REUSED') return 'reused';
  if (error instanceof InvalidGrantError) return `refused ${code}`;
  if (error instanceof UnavailableError) return `unavailable ${code}`;
  return error instanceof InvalidRequestError ||
    error instanceof SessionMismatchError ||
    error instanceof InvalidScopeError
    ? `invalid ${code}`
    : 'failed';
}

function labelsOf(outcome: Outcome): Record<string, string> {
  const [verdict, code] = outcome.split(' ') as [string, string?];
  return code === undefined ? { verdict } : { verdict, code: reasonIn(code) };
}
