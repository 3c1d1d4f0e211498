import { UnavailableError } from '../core/errors.js';
import type { Claims, Family } from '../core/family.js';
import type { ClaimsProvider } from '../core/ports.js';

type Asked = Pick<Family, 'familyId' | 'subject' | 'clientId' | 'scope' | 'claims'>;

/** Asks the application's claims provider, in bounded time. */
export class ClaimsSource {
  constructor(
    private readonly provider: ClaimsProvider | undefined,
    /** seconds */
    private readonly timeout: number,
  ) {}

  /** False where the login's own claims are all there is, and nobody needs to be asked. */
  get asks(): boolean {
    return this.provider !== undefined;
  }

  /**
   * The claims of the next access token, the provider's over the login's own; null when the provider refuses.
   *
   * @throws {UnavailableError} the provider failed, took too long, or answered what no token can hold
   */
  async claimsFor(family: Asked): Promise<Claims | null> {
    if (!this.provider) return family.claims ?? {};
    const answer = await this.#ask(this.provider, family);
    return answer && serialisable({ ...family.claims, ...answer });
  }

  async #ask(
    provider: ClaimsProvider,
    { familyId, subject, clientId, scope, claims }: Asked,
  ): Promise<Claims | null> {
    let timer: NodeJS.Timeout | undefined;
    try {
      const answer = await Promise.race([
        provider({ subject, clientId, sid: familyId, scope, claims }),
        new Promise<never>((_, reject) => {
          const late = new Error(`The claims provider did not answer within ${this.timeout} s`);
          timer = setTimeout(() => reject(late), this.timeout * 1000);
        }),
      ]);
      if (answer !== null && typeof answer !== 'object') {
        throw new TypeError('The claims provider answered neither an object nor null');
      }
      return answer;
    } catch (cause) {
      throw new UnavailableError('ERR_CLAIMS_UNAVAILABLE', { cause });
    } finally {
      clearTimeout(timer);
    }
  }
}

/** Leaves room for the longest registered claims in an access token of 8 KiB, the longest that is accepted. */
export const MAX_CLAIMS_BYTES = 2048;

/** True for what a token can hold: found out before anything is written, as signing comes after. */
export function isClaims(claims: Claims | null): boolean {
  return asJson(claims) !== null;
}

/** As JSON will have it: no `toJSON` and no getter is left to do anything else when the token is signed. */
function serialisable(claims: Claims): Claims {
  const text = asJson(claims);
  if (text !== null) return JSON.parse(text) as Claims;
  const cause = new TypeError(`The claims provider's answer is no JSON of at most ${MAX_CLAIMS_BYTES} bytes`);
  throw new UnavailableError('ERR_CLAIMS_UNAVAILABLE', { cause });
}

/** Null for what is no JSON, or too much of it. The reason may quote a claim, so it is not kept. */
function asJson(claims: Claims | null): string | null {
  try {
    const text = JSON.stringify(claims);
    return Buffer.byteLength(text) <= MAX_CLAIMS_BYTES ? text : null;
  } catch {
    return null;
  }
}
