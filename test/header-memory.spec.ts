import { KeyRing, type VerificationKey } from '../libs/auth/src/jwt/key-ring.js';
import { byHand, headerOf, issuer, keyOf, verifier } from './support/access-tokens.js';

/** Asked twice of a header that is read, once of one that is remembered. */
class CountingRing extends KeyRing {
  asked = 0;

  override find(kid: string): VerificationKey | undefined {
    this.asked++;
    return super.find(kid);
  }
}

const spelling = (at: number) => byHand(headerOf('ES256') + ' '.repeat(at));
const LIMIT = 64;

describe('a header that passed the rules', () => {
  let ring: CountingRing;
  let wasRemembered: (token: string) => boolean;
  beforeEach(() => {
    ring = new CountingRing();
    ring.replace([keyOf.ES256]);
    const nobody = new KeyRing();
    const each = verifier([
      { ...issuer(), ring: nobody },
      { ...issuer(), ring },
    ]);
    wasRemembered = (token) => {
      const before = ring.asked;
      each.verifyNow(token);
      return ring.asked === before + 1;
    };
  });

  test('is read once for all the tokens of a key', () => {
    const token = spelling(0);
    expect([wasRemembered(token), wasRemembered(token), wasRemembered(token)]).toEqual([false, true, true]);
  });

  test('is not remembered where it names a key that nobody has', () => {
    const token = byHand(headerOf('ES256', { kid: 'unknown' }));
    expect([wasRemembered(token), wasRemembered(token)]).toEqual([false, false]);
  });

  test('is remembered in 64 spellings, and whoever sends one more makes all of them forgotten', () => {
    const tokens = Array.from({ length: LIMIT }, (_, at) => spelling(at));
    expect(tokens.map(wasRemembered)).toEqual(Array(LIMIT).fill(false));
    expect(tokens.map(wasRemembered)).toEqual(Array(LIMIT).fill(true));
    expect(wasRemembered(spelling(LIMIT))).toBe(false);
    expect([wasRemembered(spelling(LIMIT)), wasRemembered(tokens[0]!)]).toEqual([true, false]);
  });
});
