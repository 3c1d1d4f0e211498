import { isOrigin } from '../core/origin.js';

/** What `enableCors` of NestJS takes, on Express and on Fastify. */
export interface CorsSettings {
  origin: string[];
  credentials: true;
  methods: string[];
  allowedHeaders: string[];
  exposedHeaders: string[];
  /** seconds */
  maxAge: number;
}

/** Seconds; Chromium remembers a consent for two hours at most. */
const MAX_AGE = 600;

/**
 * Consent for the pages of `origins`, and of no other origin: to the letter, with credentials, for the methods and headers of
 * our routes. Whatever comes of it varies by Origin.
 *
 * An application with more of either spreads it: `enableCors({ ...corsOptions(origins), methods: ['GET', 'POST', 'PUT'] })`.
 *
 * @param origins such as `https://app.example.com`, without a path; the same as in the option `origins`
 * @throws {TypeError} `null`, `*`, a pattern, or anything else that is no origin
 * @see Fetch section 3.3, RFC 6454 section 6.2
 */
export function corsOptions(origins: readonly string[]): CorsSettings {
  for (const origin of origins) {
    if (typeof origin !== 'string' || !isOrigin(origin)) {
      throw new TypeError(
        `${JSON.stringify(origin)} is no origin: write it as https://app.example.com, without a path or a wildcard`,
      );
    }
  }
  return {
    origin: [...origins],
    credentials: true,
    methods: ['GET', 'POST', 'DELETE'],
    allowedHeaders: ['Authorization', 'Content-Type', 'X-Token-Carrier', 'Idempotency-Key'],
    exposedHeaders: ['Retry-After', 'WWW-Authenticate'],
    maxAge: MAX_AGE,
  };
}
