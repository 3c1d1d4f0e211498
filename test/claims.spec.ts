import {
  buildClaims,
  checkClaims,
  checkHeader,
  grantsScope,
  isExpired,
  isFresh,
  REGISTERED_CLAIMS,
  type AccessTokenClaims,
  type AccessTokenPolicy,
} from '../libs/auth/src/core/access-token.js';
import { InvalidTokenError } from '../libs/auth/src/core/errors.js';

const IAT = Date.UTC(2026, 0, 1) / 1000;
const NOW = IAT * 1000;
const TOLERANCE = 5;
const policy: AccessTokenPolicy = {
  issuer: 'https://issuer.test',
  audience: ['https://api.test', 'https://other.test'],
  maxLifetime: 300,
  clockTolerance: TOLERANCE,
};
const header = { typ: 'at+jwt', alg: 'ES256', kid: 'key' };
const claims = {
  iss: 'https://issuer.test',
  sub: 'alice',
  aud: 'https://api.test',
  exp: IAT + 300,
  iat: IAT,
  jti: 'one',
  client_id: 'web',
  sid: '0194fde8-9000-7000-8000-000000000001',
};

/** The code of the refusal, or `accepted`. */
function outcome(check: () => unknown): string {
  try {
    check();
    return 'accepted';
  } catch (error) {
    if (error instanceof InvalidTokenError) return error.code;
    throw error;
  }
}

/** `undefined` takes a claim away. */
const judge = (changes: object, now = NOW) => {
  const changed = Object.entries({ ...claims, ...changes }).filter(([, value]) => value !== undefined);
  return outcome(() => checkClaims(Object.fromEntries(changed), policy, now));
};

describe('the header', () => {
  test.each([['at+jwt'], ['AT+JWT'], ['application/at+jwt'], ['application/AT+jwt']])(
    'typ %s is an access token',
    (typ) => {
      expect(checkHeader({ ...header, typ })).toEqual({ alg: 'ES256', kid: 'key' });
    },
  );

  test.each<[string, unknown]>([
    ['an ID token or any JWT', { ...header, typ: 'JWT' }],
    ['no typ', { alg: 'ES256', kid: 'key' }],
    ['a typ that is a list', { ...header, typ: ['at+jwt'] }],
    ['no alg', { typ: 'at+jwt', kid: 'key' }],
    ['an alg that is a list', { ...header, alg: ['ES256'] }],
    ['no kid', { typ: 'at+jwt', alg: 'ES256' }],
    ['a kid that is a number', { ...header, kid: 1 }],
    ['crit', { ...header, crit: ['exp'] }],
    ['b64', { ...header, b64: false }],
    ['zip', { ...header, zip: 'DEF' }],
    ['a key of its own', { ...header, jwk: { kty: 'oct' } }],
    ['the address of a key', { ...header, jku: 'https://evil.test' }],
    ['a certificate', { ...header, x5c: [] }],
    ['the address of a certificate', { ...header, x5u: 'https://evil.test' }],
    ['a member nobody knows, even undefined', { ...header, extra: undefined }],
    ['a text', 'at+jwt'],
    ['a list', [header]],
    ['null', null],
  ])('%s is refused', (_, value) => {
    expect(outcome(() => checkHeader(value))).toBe('ERR_ACCESS_TOKEN_INVALID');
  });
});

describe('the claims', () => {
  test.each<[string, object]>([
    ['the plain set', {}],
    ['a list of audiences, ours among them', { aud: ['https://elsewhere.test', 'https://api.test'] }],
    ['another of our audiences', { aud: 'https://other.test' }],
    ['a scope', { scope: 'read write' }],
    ['the time of the login', { auth_time: IAT - 86_400 }],
    ['a login at the epoch', { auth_time: 0 }],
    ['the last iat that is believed', { iat: IAT + TOLERANCE, exp: IAT + TOLERANCE + 1 }],
    ['an nbf in the past', { nbf: IAT - 1 }],
    ['an nbf within the tolerance', { nbf: IAT + TOLERANCE }],
    ['an iat within the tolerance', { iat: IAT + TOLERANCE, exp: IAT + 200 }],
    ['the longest lifetime', { exp: IAT + 300 }],
    ["the application's own claims", { roles: ['admin'], deep: { er: true } }],
    ['a subject of 255 characters', { sub: 'x'.repeat(255) }],
  ])('%s: accepted', (_, changes) => {
    expect(judge(changes)).toBe('accepted');
  });

  test.each<[string, object]>([
    ['another issuer', { iss: 'https://issuer.test/' }],
    ['another audience', { aud: 'https://elsewhere.test' }],
    ['an audience that only begins like ours', { aud: 'https://api.test.evil' }],
    ['no audience in the list', { aud: [] }],
    ['a list of audiences with a number in it', { aud: ['https://api.test', 5] }],
    ['an audience in an object', { aud: { 0: 'https://api.test', length: 1 } }],
    ['an empty subject', { sub: '' }],
    ['a subject that is a number', { sub: 5 }],
    ['a subject of 256 characters', { sub: 'x'.repeat(256) }],
    ['a subject with half a surrogate pair', { sub: 'al\ud800ice' }],
    ['an empty sid', { sid: '' }],
    ['a scope that is a list', { scope: ['read'] }],
    ['a jti that is a number', { jti: 5 }],
    ['a client_id that is a number', { client_id: 5 }],
    ['a sid that is a list', { sid: [claims.sid] }],
    ['a text that is no object', { sub: { toString: () => 'alice', length: 5 } }],
    ['an auth_time in a text', { auth_time: String(IAT) }],
    ['a negative auth_time', { auth_time: -1 }],
    ['an auth_time that is null', { auth_time: null }],
    ['a key the client would have to prove', { cnf: { jkt: 'thumbprint' } }],
    ['a proof demanded by null', { cnf: null }],
    ['exp with a fraction', { exp: IAT + 299.5 }],
    ['iat with a fraction', { iat: IAT + 0.5 }],
    ['exp in a text', { exp: String(IAT + 300) }],
    ['exp that is no number', { exp: NaN }],
    ['exp beyond every time', { exp: Infinity, iat: Infinity }],
    ['a negative iat', { iat: -1, exp: 200 }],
    ['an nbf beyond the tolerance', { nbf: IAT + TOLERANCE + 1 }],
    ['an nbf that is a text', { nbf: '0' }],
    ['an nbf that is null', { nbf: null }],
    ['an iat beyond the tolerance', { iat: IAT + TOLERANCE + 1, exp: IAT + 200 }],
    ['exp at iat', { exp: IAT }],
    ['exp before iat', { exp: IAT - 1 }],
    ['a lifetime one second longer than any we issue', { exp: IAT + 301 }],
    ...['iss', 'sub', 'aud', 'exp', 'iat', 'jti', 'client_id', 'sid'].map((name): [string, object] => [
      `no ${name}`,
      { [name]: undefined },
    ]),
  ])('%s: invalid', (_, changes) => {
    expect(judge(changes)).toBe('ERR_ACCESS_TOKEN_INVALID');
  });

  test.each<[string, unknown]>([
    ['a text', 'claims'],
    ['a list', [claims]],
    ['null', null],
    ['undefined', undefined],
    ['a number', 5],
  ])('a payload that is %s is invalid', (_, payload) => {
    expect(outcome(() => checkClaims(payload, policy, NOW))).toBe('ERR_ACCESS_TOKEN_INVALID');
  });
});

describe('the end', () => {
  const END = (IAT + 300 + TOLERANCE) * 1000;

  test.each([
    ['one millisecond before exp and tolerance', END - 1, 'accepted'],
    ['at exp and tolerance', END, 'ERR_ACCESS_TOKEN_EXPIRED'],
    ['a year later', END + 365 * 86_400_000, 'ERR_ACCESS_TOKEN_EXPIRED'],
  ])('%s: %s', (_, now, expected) => {
    expect(judge({}, now)).toBe(expected);
    expect(isExpired(claims.exp, policy, now)).toBe(expected !== 'accepted');
  });

  test('without a tolerance a token is expired on its exp, RFC 7519 section 4.1.4', () => {
    const strict = { ...policy, clockTolerance: 0 };
    expect(isExpired(IAT + 300, strict, (IAT + 300) * 1000 - 1)).toBe(false);
    expect(isExpired(IAT + 300, strict, (IAT + 300) * 1000)).toBe(true);
  });

  test('what is otherwise invalid does not say that it has expired, too', () => {
    expect(judge({ iss: 'https://evil.test' }, END)).toBe('ERR_ACCESS_TOKEN_INVALID');
  });
});

describe('a login that is recent enough', () => {
  const MAX_AGE = 60;
  const fresh = (now: number, changes: object = { auth_time: IAT }, tolerance = TOLERANCE) =>
    isFresh({ ...claims, ...changes }, MAX_AGE, tolerance, now);
  const end = (IAT + MAX_AGE + TOLERANCE) * 1000;

  test.each([
    ['at once', NOW, true],
    ['one millisecond before its age and the tolerance', end - 1, true],
    ['at its age and the tolerance', end, false],
    ['a day later', end + 86_400_000, false],
  ])('%s: %p', (_, now, expected) => {
    expect(fresh(now)).toBe(expected);
  });

  test('is at its age no longer so where no tolerance is given', () => {
    expect(fresh(NOW + 59_999, undefined, 0)).toBe(true);
    expect(fresh(NOW + 60_000, undefined, 0)).toBe(false);
  });

  test('is never one of a token that does not say when it was, and may be one at the epoch', () => {
    expect(fresh(NOW, {})).toBe(false);
    expect(fresh(0, { auth_time: 0 })).toBe(true);
  });
});

describe('a scope', () => {
  test.each<[granted: string | undefined, demanded: string[], grants: boolean]>([
    ['read write', ['read'], true],
    ['read write', ['write', 'read'], true],
    ['read write', [], true],
    ['read', ['read', 'write'], false],
    ['read', ['Read'], false],
    ['reader', ['read'], false],
    ['read', ['read write'], false],
    ['read:all', ['read'], false],
    ['', ['read'], false],
    [undefined, ['read'], false],
    [undefined, ['undefined'], false],
    [undefined, [], true],
  ])('%p where %j is demanded: %p', (scope, demanded, grants) => {
    const token = { ...claims, ...(scope !== undefined && { scope }) };
    expect(grantsScope(token, demanded)).toBe(grants);
  });
});

describe('the verified claims', () => {
  const own = { roles: [{ name: 'admin' }], tenant: null, beta: false };
  let verified: AccessTokenClaims;
  beforeAll(() => {
    const payload = JSON.parse(
      JSON.stringify({ ...claims, ...own }).replace('{', '{"__proto__":{"admin":true},'),
    );
    verified = checkClaims(payload, policy, NOW);
  });

  test('are all of those that were signed', () => {
    const { ['__proto__']: _, ...rest } = verified;
    expect(rest).toEqual({ ...claims, ...own });
  });

  test('have no prototype', () => {
    expect(Object.getPrototypeOf(verified)).toBeNull();
    expect('toString' in verified).toBe(false);
    expect('admin' in verified).toBe(false);
  });

  test('are frozen to the bottom: one principal serves many requests', () => {
    const roles = verified['roles'] as { name: string }[];
    expect(() => Object.assign(verified, { sub: 'mallory' })).toThrow(TypeError);
    expect(() => roles.push({ name: 'root' })).toThrow(TypeError);
    expect(() => Object.assign(roles[0]!, { name: 'root' })).toThrow(TypeError);
  });
});

const REGISTERED = [
  'iss',
  'sub',
  'aud',
  'exp',
  'nbf',
  'iat',
  'auth_time',
  'jti',
  'client_id',
  'sid',
  'scope',
  'cnf',
];

describe('the claims of a new token', () => {
  const issued = {
    issuer: 'https://issuer.test',
    audience: ['https://api.test'],
    subject: 'alice',
    clientId: 'web',
    sid: claims.sid,
    scope: 'read',
    jti: 'one',
    iat: IAT,
    exp: IAT + 300,
    authTime: IAT - 60,
  };
  const ours = { ...claims, scope: 'read', auth_time: IAT - 60 };

  test('are ours and the application’s, and pass our own rules', () => {
    const built = buildClaims(issued, { roles: ['admin'] });
    expect(built).toEqual({ ...ours, roles: ['admin'] });
    expect(judge(built)).toBe('accepted');
  });

  test.each(REGISTERED.map((name) => [name]))('%s is never the application’s', (name) => {
    const built = buildClaims(issued, { [name]: 'mallory' });
    expect(built).toEqual(ours);
  });

  test('and no other name is kept from the application', () => {
    expect([...REGISTERED_CLAIMS]).toEqual(REGISTERED);
  });

  test('no application claim stands in for a scope that was not granted, nor for nbf', () => {
    const built = buildClaims({ ...issued, scope: null }, { scope: 'admin', nbf: 0 });
    expect(built).not.toHaveProperty('scope');
    expect(built).not.toHaveProperty('nbf');
  });

  test('a claim named __proto__ changes no prototype', () => {
    const built = buildClaims(issued, JSON.parse('{"__proto__":{"iss":"https://evil.test"}}'));
    expect(Object.getPrototypeOf(built)).toBe(Object.prototype);
    expect(built).toEqual(ours);
  });

  test('one audience is a text, several are a list', () => {
    expect(buildClaims(issued, {})['aud']).toBe('https://api.test');
    expect(buildClaims({ ...issued, audience: ['a', 'b'] }, {})['aud']).toEqual(['a', 'b']);
  });
});
