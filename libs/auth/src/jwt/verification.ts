import { Injectable } from '@nestjs/common';
import {
  checkClaims,
  checkHeader,
  type AccessTokenClaims,
  type AccessTokenHeader,
  type AccessTokenPolicy,
} from '../core/access-token.js';
import { InvalidTokenError, UnavailableError } from '../core/errors.js';
import type { Clock, KeySource } from '../core/ports.js';
import { readSegment, splitCompact, type CompactToken } from './compact.js';
import type { KeyRing, VerificationKey } from './key-ring.js';
import { isSignedBy } from './signature.js';

/** Whose tokens are believed: a key of this ring signs for this policy's issuer, and for no other. */
export interface TrustedIssuer {
  readonly ring: KeyRing;
  readonly source: KeySource;
  readonly policy: AccessTokenPolicy;
}

interface Candidate {
  readonly key: VerificationKey;
  readonly policy: AccessTokenPolicy;
}

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
    private readonly issuers: readonly TrustedIssuer[],
    private readonly clock: Clock,
  ) {}

  /** Rises when a key comes or goes: what was verified before has to be verified again. */
  get keyVersion(): number {
    const { issuers } = this;
    let version = 0;
    for (let at = 0; at < issuers.length; at++) version += issuers[at]!.ring.version;
    return version;
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
    const parts = splitCompact(token);
    return this.#judge(parts, await this.#seek(parts)).claims;
  }

  /**
   * Verifies a token with the keys at hand, without a detour through the event loop.
   *
   * @returns `undefined` when its key is not among them, which `verify` then looks for
   * @throws {InvalidTokenError} whatever else is wrong with the token
   */
  verifyNow(token: string): AccessTokenClaims | undefined {
    const parts = splitCompact(token);
    const candidates = this.#atHand(this.#readHeader(parts.header));
    return candidates.length === 0 ? undefined : this.#judge(parts, candidates).claims;
  }

  /**
   * The key a token is signed with, which it looks for where keys come from.
   *
   * @throws {InvalidTokenError} whatever is wrong with the token
   * @throws {UnavailableError} there is no telling which keys are good
   */
  async keyFor(token: string): Promise<VerificationKey> {
    const parts = splitCompact(token);
    return this.#judge(parts, await this.#seek(parts)).key;
  }

  /**
   * Whether the key of a token verified before is still one of `issuer`'s; of the claims nothing is asked.
   *
   * @throws {UnavailableError} no key of that issuer is known at all, so that nothing speaks against this one
   */
  hasKeyFor(token: string, issuer: string): boolean {
    const { header, signed, signature } = splitCompact(token);
    const { kid, alg } = this.#readHeader(header);
    const ring = this.issuers.find(({ policy }) => policy.issuer === issuer)?.ring;
    if (!ring || ring.keys.length === 0) throw new UnavailableError('ERR_VERIFICATION_KEYS_UNAVAILABLE');
    const key = ring.find(kid);
    return key?.algorithm === alg && isSignedBy(key, signed, signature);
  }

  #judge(
    { signed, signature, payload }: CompactToken,
    candidates: readonly Candidate[],
  ): { claims: AccessTokenClaims; key: VerificationKey } {
    let refusal: unknown;
    for (const { key, policy } of candidates) {
      if (!isSignedBy(key, signed, signature)) continue;
      try {
        return { claims: checkClaims(readSegment(payload), policy, this.clock.now()), key };
      } catch (error) {
        // Two issuers that publish one key: which of them it was, its claims tell.
        refusal = error;
      }
    }
    throw refusal ?? invalid();
  }

  async #seek({ header: segment }: CompactToken): Promise<Candidate[]> {
    const header = this.#readHeader(segment);
    let candidates = this.#atHand(header);
    if (candidates.length > 0) return candidates;
    const sought = await Promise.allSettled(this.issuers.map(({ source }) => source.seek()));
    candidates = this.#atHand(header);
    if (candidates.length > 0) return candidates;
    const failed = sought.find((each) => each.status === 'rejected');
    throw failed ? failed.reason : invalid();
  }

  /**
   * The keys of that name: one, unless two issuers gave theirs the same, and then the signature tells.
   *
   * A key serves one algorithm, whatever a header asks for.
   *
   * @returns none for an unknown `kid`
   * @throws {InvalidTokenError} whoever knows the key uses it with another algorithm
   */
  #atHand({ kid, alg }: AccessTokenHeader): Candidate[] {
    const named: Candidate[] = [];
    for (const { ring, policy } of this.issuers) {
      const key = ring.find(kid);
      if (key) named.push({ key, policy });
    }
    const candidates = named.filter(({ key }) => key.algorithm === alg);
    if (named.length > 0 && candidates.length === 0) throw invalid();
    return candidates;
  }

  #readHeader(segment: string): AccessTokenHeader {
    const known = this.#headers.get(segment);
    if (known) return known;
    const header = checkHeader(readSegment(segment));
    if (this.issuers.some(({ ring }) => ring.find(header.kid))) this.#remember(segment, header);
    return header;
  }

  /** Whoever fills it with spellings of one header gains nothing: it starts anew. */
  #remember(segment: string, header: AccessTokenHeader): void {
    if (this.#headers.size >= MAX_HEADERS) this.#headers.clear();
    this.#headers.set(segment, header);
  }
}

function invalid(): InvalidTokenError {
  return new InvalidTokenError('ERR_ACCESS_TOKEN_INVALID');
}
