import { ConfigError } from '../libs/auth/src/core/errors.js';
import {
  resolveResourceServerOptions,
  warningsForResourceServer,
  type ResolvedResourceServerOptions,
  type ResourceServerOptions,
} from '../libs/auth/src/core/resource-server-options.js';

const JWKS = 'https://issuer.test/.well-known/jwks.json';
const one = { issuer: 'https://issuer.test', audience: 'https://api.test', jwksUri: JWKS };
const other = { ...one, issuer: 'https://other.test' };
const resolvedOne = {
  issuer: 'https://issuer.test',
  audience: ['https://api.test'],
  jwksUri: JWKS,
  keys: [],
  maxLifetime: 3600,
  revocations: undefined,
};
const FEED = 'https://issuer.test/auth/revocations';
const SECRET = 'a-secret-of-forty-characters-or-a-few-more';
const revocations = { uri: FEED, id: 'reports', secret: SECRET };

const resolve = (
  input: unknown,
  faultsOfKeys: (keys: readonly unknown[], path: string) => string[] = () => [],
) => resolveResourceServerOptions(input as ResourceServerOptions, faultsOfKeys);

function errorOf(...args: Parameters<typeof resolve>): ConfigError {
  try {
    resolve(...args);
  } catch (error) {
    if (error instanceof ConfigError) return error;
    throw error;
  }
  throw new Error('The options were accepted');
}

describe('defaults', () => {
  test('an issuer, an audience and the address of the keys are enough', () => {
    expect(resolve(one)).toEqual({
      issuers: [resolvedOne],
      jwks: { refreshInterval: 300, coolDown: 30, maxStaleness: 86_400, timeout: 5, allowHttp: false },
      revocation: { pollInterval: 2, maxStaleness: 30, onStale: 'refuse', timeout: 5 },
      cacheSize: 10_000,
      clockTolerance: 5,
    } satisfies ResolvedResourceServerOptions);
  });

  test('keys may be given in place of their address', () => {
    const { jwksUri: _, ...rest } = one;
    expect(resolve({ ...rest, keys: ['a key'] }).issuers).toEqual([
      { ...resolvedOne, jwksUri: undefined, keys: ['a key'] },
    ]);
  });

  test('several issuers are a list, each with settings of its own', () => {
    const issuers = [
      { ...one, maxLifetime: '5m' },
      { ...other, audience: ['a', 'b'] },
    ];
    expect(resolve({ issuers }).issuers).toEqual([
      { ...resolvedOne, maxLifetime: 300 },
      { ...resolvedOne, issuer: 'https://other.test', audience: ['a', 'b'] },
    ]);
  });

  test('everything else may be set, to its limits', () => {
    const jwks = {
      refreshInterval: 0.05,
      coolDown: '1h',
      maxStaleness: '30d',
      timeout: '1m',
      allowHttp: true,
    };
    const revocation = { pollInterval: 0.05, maxStaleness: '1h', onStale: 'accept', timeout: '1m' };
    const input = {
      ...one,
      revocations,
      maxLifetime: '1d',
      jwks,
      revocation,
      cacheSize: 0,
      clockTolerance: 60,
    };
    expect(resolve(input)).toEqual({
      issuers: [{ ...resolvedOne, revocations, maxLifetime: 86_400 }],
      jwks: { ...jwks, coolDown: 3600, maxStaleness: 30 * 86_400, timeout: 60 },
      revocation: { ...revocation, maxStaleness: 3600, timeout: 60 },
      cacheSize: 0,
      clockTolerance: 60,
    });
  });
});

describe('the address of the keys', () => {
  test.each([
    [JWKS],
    ['https://10.0.0.5:8443/keys?tenant=1'],
    ['http://localhost:3000/jwks'],
    ['http://127.0.0.1/jwks'],
    ['http://127.255.0.254:80/jwks'],
    ['http://[::1]:3000/jwks'],
  ])('may be %s', (jwksUri) => {
    expect(resolve({ ...one, jwksUri }).issuers[0]!.jwksUri).toBe(jwksUri);
  });

  const OPEN =
    'must be https: who changes the keys on their way signs tokens. In a network you trust, set jwks.allowHttp';
  const CREDENTIALS = 'must not hold a user name or a password';
  test.each([
    ['issuer.test/jwks', 'must be a URL'],
    ['//issuer.test', 'must be a URL'],
    ['http://issuer.test/jwks', OPEN],
    ['http://localhost.evil.test/jwks', OPEN],
    ['http://my-localhost/jwks', OPEN],
    ['http://127.0.0.1.evil.test/jwks', OPEN],
    ['http://128.0.0.1/jwks', OPEN],
    ['http://[::2]/jwks', OPEN],
    ['ftp://localhost/jwks', OPEN],
    ['file:///etc/jwks.json', OPEN],
    ['https://user@issuer.test/jwks', CREDENTIALS],
    ['https://:hunter2@issuer.test/jwks', CREDENTIALS],
    ['http://user:hunter2@localhost/jwks', CREDENTIALS],
  ])('cannot be %s: it %s', (jwksUri, fault) => {
    expect(errorOf({ ...one, jwksUri }).faults).toEqual([`jwksUri ${fault}`]);
  });

  test('may be plain http to another machine where that is allowed, and nothing else than http', () => {
    const jwks = { allowHttp: true };
    expect(resolve({ ...one, jwks, jwksUri: 'http://issuer.test/jwks' }).jwks.allowHttp).toBe(true);
    expect(errorOf({ ...one, jwks, jwksUri: 'ftp://issuer.test/jwks' }).faults).toEqual([`jwksUri ${OPEN}`]);
  });
});

describe('the feed of revocations', () => {
  const faultsOf = (changes: object): readonly string[] =>
    errorOf({ ...one, revocations: { ...revocations, ...changes } }).faults;
  const OPEN =
    'must be https: who listens on the way learns the secret, and who changes the answer hides what it names. ' +
    'In a network you trust, set jwks.allowHttp';

  test('is each issuer’s own', () => {
    expect(
      resolve({ issuers: [{ ...one, revocations }, other] }).issuers.map((each) => each.revocations),
    ).toEqual([revocations, undefined]);
  });

  test.each([
    ['not a URL', 'issuer.test/auth/revocations', 'must be a URL'],
    ['plain http', 'http://issuer.test/auth/revocations', OPEN],
    ['plain http to a name like this machine’s', 'http://localhost.evil.test/', OPEN],
    ['with a user', 'https://user@issuer.test/', 'must not hold a user name or a password'],
  ])('is at an address like that of the keys, and not %s', (_, uri, fault) => {
    expect(faultsOf({ uri })).toEqual([`revocations.uri ${fault}`]);
  });

  test('may be plain http to this machine, or where that is allowed', () => {
    for (const [uri, allowHttp] of [
      ['http://localhost:3000/auth/revocations', false],
      ['http://issuer.test/auth/revocations', true],
    ] as const) {
      const resolved = resolve({ ...one, revocations: { ...revocations, uri }, jwks: { allowHttp } });
      expect(resolved.issuers[0]!.revocations).toEqual({ ...revocations, uri });
    }
  });

  test.each(['uri', 'id', 'secret'])('takes all three: not without %s', (name) => {
    expect(faultsOf({ [name]: undefined })).toEqual([
      'revocations takes uri, id and secret: give all three of them',
    ]);
  });

  test.each<[fault: RegExp, changes: object]>([
    [/^revocations\.uri must be a text/, { uri: '' }],
    [/^revocations\.id must be 1 to 64 of the characters/, { id: 'a b' }],
    [/^revocations\.id must/, { id: 'a:b' }],
    [/^revocations\.id must/, { id: '' }],
    [/^revocations\.id must/, { id: 'x'.repeat(65) }],
    [/^revocations\.secret must be 32 or more visible ASCII characters/, { secret: 'short' }],
    [/^revocations\.secret must/, { secret: `${SECRET} ` }],
    [/^revocations\.secret must/, { secret: 42 }],
    [/^revocations\.url is not an option/, { url: FEED }],
  ])('%s', (fault, changes) => {
    const faults = faultsOf(changes);
    expect(faults).toEqual([expect.stringMatching(fault)]);
    expect(faults.join()).not.toContain(SECRET);
  });

  test('is missed by a warning that names who tells nothing', () => {
    expect(warningsForResourceServer(resolve({ ...one, revocations }))).toEqual([]);
    expect(warningsForResourceServer(resolve({ issuers: [{ ...one, revocations }, other] }))).toEqual([
      expect.stringMatching(
        /^Nothing is heard of sessions that https:\/\/other\.test ends.* Set revocations/,
      ),
    ]);
  });
});

describe('faults', () => {
  test.each<[fault: string, input: unknown]>([
    ['issuer must be a text', { ...one, issuer: '' }],
    ['audience must be a text, or a list', { ...one, audience: [] }],
    ['jwksUri must be a text', { ...one, jwksUri: '' }],
    ['jwksUri or keys must be given, and not both', { ...one, jwksUri: undefined }],
    ['jwksUri or keys must be given, and not both', { ...one, keys: ['a key'] }],
    ['keys must be a list of at least one key', { ...one, keys: 'a key' }],
    ['keys must be a list of at least one key', { ...one, keys: [] }],
    ['maxLifetime must be a duration from 1 s to 86400 s', { ...one, maxLifetime: '2d' }],
    ['jwks.refreshInterval must be a duration', { ...one, jwks: { refreshInterval: 0 } }],
    ['jwks.coolDown must be a duration', { ...one, jwks: { coolDown: '2h' } }],
    ['jwks.maxStaleness must be a duration', { ...one, jwks: { maxStaleness: '31d' } }],
    ['jwks.timeout must be a duration', { ...one, jwks: { timeout: '2m' } }],
    ['jwks.allowHttp must be true or false', { ...one, jwks: { allowHttp: 'yes' } }],
    ['jwks.allowhttp is not an option', { ...one, jwks: { allowhttp: true } }],
    ['jwks must be an object of options', { ...one, jwks: 'https' }],
    ['cacheSize must be a number', { ...one, cacheSize: -1 }],
    ['clockTolerance must be a duration', { ...one, clockTolerance: '2m' }],
    [
      'jwks.refreshInterval is not below jwks.maxStaleness: every fetch would come too late',
      { ...one, jwks: { refreshInterval: '1h', maxStaleness: '1h' } },
    ],
    ['revocations must be an object of options', { ...one, revocations: FEED }],
    ['revocation.pollInterval must be a duration', { ...one, revocation: { pollInterval: 0 } }],
    ['revocation.maxStaleness must be a duration', { ...one, revocation: { maxStaleness: '2h' } }],
    ['revocation.onStale must be one of refuse, accept', { ...one, revocation: { onStale: 'ignore' } }],
    ['revocation.timeout must be a duration', { ...one, revocation: { timeout: '2m' } }],
    ['revocation.listen is not an option', { ...one, revocation: { listen: true } }],
    [
      'revocation.pollInterval is not below revocation.maxStaleness: every poll would come too late',
      { ...one, revocation: { pollInterval: 10, maxStaleness: 10 } },
    ],
    [
      'revocation.timeout is not below revocation.maxStaleness: an answer would be stale when it is given up',
      { ...one, revocation: { maxStaleness: 5 } },
    ],
    ['issuers must be a list of one or more', { issuers: [] }],
    ['issuers must be a list of one or more', { issuers: one }],
    ['issuers.1.issuer must be a text', { issuers: [one, { ...other, issuer: 5 }] }],
    ['issuers.1.jwksUri must be a URL', { issuers: [one, { ...other, jwksUri: 'jwks' }] }],
    [
      'issuers.0.jwksUri or issuers.0.keys must be given',
      { issuers: [{ ...one, jwksUri: undefined }, other] },
    ],
    ['issuers.1.jwks is not an option', { issuers: [one, { ...other, jwks: {} }] }],
    ['issuers.1 must be an object of options', { issuers: [one, 'https://other.test'] }],
    ['issuers names an issuer twice: remove one', { issuers: [one, other, { ...one }] }],
    ['issuer is not an option', { issuers: [one], issuer: 'https://issuer.test' }],
  ])('%s', (fault, input) => {
    expect(errorOf(input).faults).toContainEqual(expect.stringMatching(`^${fault}`));
  });

  test('a list of issuers is no option without one', () => {
    expect(errorOf({}).faults).toEqual([
      'issuer must be a text of 1 to 255 characters without spaces around it',
      'audience must be a text, or a list of one or more, 512 bytes at most together',
      'jwksUri or keys must be given, and not both',
    ]);
  });

  test('issuers that are not named are not taken for the same', () => {
    const faults = errorOf({
      issuers: [
        { ...one, issuer: '' },
        { ...other, issuer: '' },
      ],
    }).faults;
    expect(faults.map((fault) => fault.split(' ')[0])).toEqual(['issuers.0.issuer', 'issuers.1.issuer']);
  });

  test('of keys are told with the path of the keys', () => {
    const { jwksUri: _, ...given } = { ...one, keys: ['one', 'two'] };
    const faultsOfKeys = (keys: readonly unknown[], path: string) =>
      keys.map((key) => `${path}: ${String(key)}`);
    expect(errorOf(given, faultsOfKeys).faults).toEqual(['keys: one', 'keys: two']);
    expect(errorOf({ issuers: [other, given] }, faultsOfKeys).faults).toEqual([
      'issuers.1.keys: one',
      'issuers.1.keys: two',
    ]);
  });

  test('are those of the module that cannot start', () => {
    expect(errorOf({}).message).toMatch(/^ResourceServerModule cannot start:\n {2}- issuer must/);
  });
});
