import { Injectable } from '@nestjs/common';
import {
  checkClaims,
  checkHeader,
  type AccessTokenClaims,
  type AccessTokenHeader,
  type AccessTokenPolicy,
} from '../core/access-token.js';
import { InvalidTokenError } from '../core/errors.js';
import type { Clock, KeySource } from '../core/ports.js';
import { readSegment, splitCompact, type CompactToken } from './compact.js';
import type { KeyRing, VerificationKey } from './key-ring.js';
import { isSignedBy } from './signature.js';

/** Headers differ by key, and in nothing else unless somebody tries: more are not worth keeping. */
const MAX_HEADERS = 64;

/**
 * The one list of rules for access tokens, whoever asks: a guard, a passport strategy, an application.
 *
 * Shape and header, then the signature, then the claims: none of them is read before somebody is known to have
 * signed it. Revocation is not asked here: the guard does that, for every request.
 */
@Injectable()
export class AccessTokenVerifier {
  /** Of headers that passed the rules: they depend on the text alone, and every token of a key has the same one. */
  readonly #headers = new Map<string, AccessTokenHeader>();

  constructor(
    private readonly ring: KeyRing,
    private readonly source: KeySource,
    private readonly policy: AccessTokenPolicy,
    private readonly clock: Clock,
  ) {}

  /** Rises when a key comes or goes: what was verified before has to be verified again. */
  get keyVersion(): number {
    return this.ring.version;
  }

  /** seconds */
  get clockTolerance(): number {
    return this.policy.clockTolerance;
  }

  /**
   * Verifies a token.
   *
   * @returns the claims, frozen and without a prototype
   * @throws {InvalidTokenError} whatever is wrong with the token
   * @throws {UnavailableError} there is no telling which keys are good
   * @see RFC 9068 section 4, RFC 8725 section 3
   */
  async verify(token: string): Promise<AccessTokenClaims> {
    const claims = this.verifyNow(token);
    if (claims) return claims;
    const { key, ...parts } = await this.#findKey(token);
    return this.#judge(parts, key);
  }

  /**
   * Verifies a token with the keys at hand, without a detour through the event loop.
   *
   * @returns `undefined` when its key is not among them, which `verify` then looks for
   * @throws {InvalidTokenError} whatever else is wrong with the token
   */
  verifyNow(token: string): AccessTokenClaims | undefined {
    const parts = splitCompact(token);
    const key = this.#keyAtHand(this.#readHeader(parts.header));
    return key && this.#judge(parts, key);
  }

  /**
   * The key a token must be signed with, from its shape and header alone; looks for it where keys come from.
   *
   * Not yet true at this point: that it is signed with it.
   *
   * @throws {InvalidTokenError} malformed, wrong `typ` or `alg`, unknown `kid`
   * @throws {UnavailableError} there is no telling which keys are good
   */
  async keyFor(token: string): Promise<VerificationKey> {
    return (await this.#findKey(token)).key;
  }

  /**
   * Judges the claims of a token whose signature somebody else has verified, with the key of `keyFor`.
   *
   * @throws {InvalidTokenError} expired, or not for us
   */
  accept(token: string): AccessTokenClaims {
    return checkClaims(readSegment(splitCompact(token).payload), this.policy, this.clock.now());
  }

  #judge({ signed, signature, payload }: CompactToken, key: VerificationKey): AccessTokenClaims {
    if (!isSignedBy(key, signed, signature)) throw new InvalidTokenError('ERR_ACCESS_TOKEN_INVALID');
    return checkClaims(readSegment(payload), this.policy, this.clock.now());
  }

  async #findKey(token: string): Promise<CompactToken & { key: VerificationKey }> {
    const parts = splitCompact(token);
    const header = this.#readHeader(parts.header);
    let key = this.#keyAtHand(header);
    if (!key) {
      await this.source.seek();
      key = this.#keyAtHand(header);
    }
    if (!key) throw new InvalidTokenError('ERR_ACCESS_TOKEN_INVALID');
    return { ...parts, key };
  }

  /**
   * A key serves one algorithm, whatever a header asks for.
   *
   * @returns `undefined` for an unknown `kid`
   * @throws {InvalidTokenError} the key is one for another algorithm
   */
  #keyAtHand({ kid, alg }: AccessTokenHeader): VerificationKey | undefined {
    const key = this.ring.find(kid);
    if (key && key.algorithm !== alg) throw new InvalidTokenError('ERR_ACCESS_TOKEN_INVALID');
    return key;
  }

  #readHeader(segment: string): AccessTokenHeader {
    const known = this.#headers.get(segment);
    if (known) return known;
    const header = checkHeader(readSegment(segment));
    if (this.ring.find(header.kid)) this.#remember(segment, header);
    return header;
  }

  /** Whoever fills it with spellings of one header gains nothing: it starts anew. */
  #remember(segment: string, header: AccessTokenHeader): void {
    if (this.#headers.size >= MAX_HEADERS) this.#headers.clear();
    this.#headers.set(segment, header);
  }
}
