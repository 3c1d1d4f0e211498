import { ConfigError } from '../libs/auth/src/core/errors.js';
import type { ResolvedOptions, TokenFamilyOptions } from '../libs/auth/src/core/options.js';
import { resolveOptions, warningsFor } from '../libs/auth/src/core/resolve-options.js';

const SECRET = 'a-secret-of-forty-characters-or-a-few-more';
const required = {
  issuer: 'https://issuer.test',
  audience: 'https://api.test',
  accessToken: { keys: [{ kty: 'EC' }] },
  refreshToken: { keys: [{ id: 1, secret: SECRET }] },
} satisfies TokenFamilyOptions;

/** The required options with one more, or another value, at `path`. */
function withOption(path: string, value: unknown): TokenFamilyOptions {
  const changed = structuredClone(required) as Record<string, unknown>;
  const names = path.split('.');
  const last = names.pop()!;
  const group = names.reduce((within, name) => (within[name] ??= {}) as Record<string, unknown>, changed);
  group[last] = value;
  return changed as unknown as TokenFamilyOptions;
}

function at(options: ResolvedOptions, path: string): unknown {
  return path.split('.').reduce<unknown>((group, name) => (group as Record<string, unknown>)[name], options);
}

function errorOf(input: unknown, moreFaults?: string[]): ConfigError {
  try {
    resolveOptions(input as TokenFamilyOptions, moreFaults);
  } catch (error) {
    if (error instanceof ConfigError) return error;
    throw error;
  }
  throw new Error('The options were accepted');
}

describe('defaults', () => {
  test('the four required options are enough, and everything else has its documented default', () => {
    expect(resolveOptions(required)).toEqual({
      issuer: 'https://issuer.test',
      audience: ['https://api.test'],
      clientId: 'default',
      clients: [{ id: 'default', secrets: [] }],
      origins: [],
      accessToken: {
        keys: required.accessToken.keys,
        managedKeys: undefined,
        algorithm: 'ES256',
        lifetime: 300,
        jitter: 0.2,
        claimsTimeout: 5,
        cacheSize: 10_000,
      },
      refreshToken: {
        keys: required.refreshToken.keys,
        lifetime: 30 * 86_400,
        idleLifetime: 7 * 86_400,
        leeway: 10,
        carrier: 'any',
      },
      revocation: {
        pollInterval: 2,
        maxStaleness: 30,
        onStale: 'refuse',
        listen: true,
        listenUrl: undefined,
      },
      sessions: { maxPerSubject: Infinity },
      prune: { enabled: true, every: 600, keep: 2 * 86_400 },
      audit: { enabled: false, keep: 90 * 86_400 },
      resourceServers: [],
      database: { lockTimeout: 2, queryTimeout: 4, preparedStatements: true },
      clockTolerance: 5,
      claims: undefined,
    } satisfies ResolvedOptions);
  });

  test.each<[path: string, value: unknown, resolved?: unknown]>([
    ['issuer', 'x'.repeat(255)],
    ['audience', ['a', 'b']],
    ['audience', ['x'.repeat(256), 'y'.repeat(256)]],
    ['clientId', 'web'],
    ['origins', []],
    ['resourceServers', []],
    ['clients', [], [{ id: 'default', secrets: [] }]],
    ['origins', ['https://app.test', 'http://localhost:8080', 'http://[::1]:8080']],
    ['accessToken.algorithm', 'RS256'],
    ['accessToken.algorithm', 'HS256'],
    ['accessToken.lifetime', '10m', 600],
    ['accessToken.lifetime', '1d', 86_400],
    ['accessToken.jitter', 0],
    ['accessToken.jitter', 0.5],
    ['accessToken.claimsTimeout', 0.5],
    ['accessToken.cacheSize', 0],
    ['accessToken.cacheSize', 1_000_000],
    ['refreshToken.lifetime', '90d', 90 * 86_400],
    ['refreshToken.idleLifetime', '1h', 3600],
    ['refreshToken.idleLifetime', '30d', 30 * 86_400],
    ['refreshToken.keys', [{ id: 0, secret: 'x'.repeat(32) }]],
    ['refreshToken.keys', [{ id: 255, secret: new Uint8Array(32) }]],
    ['refreshToken.keys', [{ id: 7, secret: 'ü'.repeat(16) }]],
    ['refreshToken.carrier', 'body'],
    ['refreshToken.leeway', 0],
    ['refreshToken.carrier', 'cookie'],
    ['revocation.pollInterval', '5', 5],
    ['revocation.maxStaleness', '1m', 60],
    ['revocation.onStale', 'accept'],
    ['revocation.listen', false],
    ['revocation.listenUrl', 'postgres://app@db:5432/app'],
    ['revocation.listenUrl', 'postgresql:///app?host=/run/postgresql'],
    ['revocation.listenUrl', `postgres://${'x'.repeat(2037)}`],
    ['sessions.maxPerSubject', 1],
    ['sessions.maxPerSubject', 1_000_000],
    ['sessions.maxPerSubject', Infinity],
    ['prune.enabled', false],
    ['prune.every', '1s', 1],
    ['prune.keep', '2h', 7200],
    ['audit.enabled', true],
    ['audit.keep', '1h', 3600],
    ['resourceServers', [{ id: 'a-Z.0_~', secret: SECRET }]],
    [
      'resourceServers',
      [
        { id: 'reports', secret: SECRET },
        { id: 'billing', secret: SECRET },
      ],
    ],
    ['database.lockTimeout', 0.2],
    ['database.queryTimeout', '3s', 3],
    ['database.preparedStatements', false],
    ['clockTolerance', 0],
  ])('%s may be set to %p', (path, value, resolved = value) => {
    expect(at(resolveOptions(withOption(path, value)), path)).toEqual(resolved);
  });

  test('several refresh-token keys may be given, the active one first', () => {
    const keys = [7, 5, 6].map((id) => ({ id, secret: SECRET }));
    expect(resolveOptions(withOption('refreshToken.keys', keys)).refreshToken.keys).toEqual(keys);
  });

  test('the claims provider is taken as it is', () => {
    const claims = () => ({ roles: [] });
    expect(resolveOptions({ ...required, claims }).claims).toBe(claims);
  });

  test.each([[undefined], [null]])('a group of options may be %p: its defaults apply', (group) => {
    const { revocation, database } = resolveOptions(required);
    const given = { ...required, revocation: group, database: group } as unknown as TokenFamilyOptions;
    expect(resolveOptions(given)).toMatchObject({ revocation, database });
  });
});

describe('faults', () => {
  test.each<[path: string, value: unknown]>([
    ['issuer', undefined],
    ['issuer', ''],
    ['issuer', ' https://issuer.test'],
    ['issuer', 'x'.repeat(256)],
    ['audience', undefined],
    ['audience', []],
    ['audience', ['a', '']],
    ['audience', ['a', 5]],
    ['audience', ['x'.repeat(256), 'ü'.repeat(128), 'y']],
    ['clientId', ''],
    ['clientId', 5],
    ['clients', { id: 'web' }],
    ['origins', 'https://app.test'],
    ['origins', ['*']],
    ['origins', ['null']],
    ['origins', ['https://*.app.test']],
    ['origins', ['https://app.test/']],
    ['origins', ['https://app.test:443']],
    ['origins', ['https://APP.test']],
    ['origins', ['app.test']],
    ['origins', ['file://']],
    ['origins', [5]],
    ['accessToken.keys', undefined],
    ['accessToken.keys', []],
    ['accessToken.keys', 'one key'],
    ['accessToken.algorithm', 'none'],
    ['accessToken.algorithm', 'es256'],
    ['accessToken.lifetime', 0],
    ['accessToken.lifetime', '2d'],
    ['accessToken.lifetime', 'soon'],
    ['accessToken.jitter', 0.6],
    ['accessToken.jitter', -0.1],
    ['accessToken.jitter', NaN],
    ['accessToken.jitter', '0.2'],
    ['accessToken.claimsTimeout', 0],
    ['refreshToken.keys', undefined],
    ['refreshToken.keys', []],
    ['refreshToken.lifetime', Infinity],
    ['refreshToken.idleLifetime', 0],
    ['refreshToken.leeway', -1],
    ['refreshToken.leeway', '61s'],
    ['refreshToken.carrier', 'header'],
    ['revocation.pollInterval', 0],
    ['revocation.maxStaleness', '2h'],
    ['revocation.onStale', 'ignore'],
    ['revocation.listen', 'yes'],
    ['revocation.listenUrl', ''],
    ['revocation.listenUrl', 5],
    ['revocation.listenUrl', 'db:5432/app'],
    ['revocation.listenUrl', 'mysql://db/app'],
    ['revocation.listenUrl', 'postgres://'],
    ['revocation.listenUrl', `postgres://${'x'.repeat(2038)}`],
    ['sessions.maxPerSubject', 0],
    ['sessions.maxPerSubject', 2.5],
    ['sessions.maxPerSubject', '5'],
    ['sessions.maxPerSubject', 1_000_001],
    ['sessions.maxPerSubject', 1e21],
    ['prune.enabled', 0],
    ['prune.every', 0],
    ['prune.keep', '59m'],
    ['audit.enabled', 'yes'],
    ['audit.keep', 0],
    ['resourceServers', { id: 'reports', secret: SECRET }],
    ['database.lockTimeout', 0],
    ['database.queryTimeout', '5 minutes'],
    ['database.preparedStatements', 'no'],
    ['clockTolerance', '2m'],
    ['claims', { admin: true }],
    ['revocation', 'off'],
    ['database', 5],
    ['revocation', []],
  ])('%s cannot be %p', (path, value) => {
    const { faults } = errorOf(withOption(path, value));
    expect(faults.filter((fault) => fault.startsWith(path))).toHaveLength(1);
  });

  test.each<[path: string, value: unknown, remedy: string]>([
    ['issuer', ' ', 'must be a text of 1 to 255 characters without spaces around it'],
    ['audience', [], 'must be a text, or a list of one or more, 512 bytes at most together'],
    ['accessToken.keys', [], 'must be a list of at least one key'],
    ['accessToken.algorithm', 'none', 'must be one of ES256, RS256, HS256'],
    ['accessToken.jitter', 1, 'must be a number from 0 to 0.5'],
    [
      'accessToken.lifetime',
      '2d',
      "must be a duration from 1 s to 86400 s: a number of seconds, or a text such as '10s', '5m', '30d'",
    ],
    ['database.preparedStatements', 'no', 'must be true or false'],
    ['claims', 'admin', 'must be a function'],
    ['revocation', 'off', 'must be an object of options'],
  ])('%s %p is answered with its remedy', (path, value, remedy) => {
    expect(errorOf(withOption(path, value)).faults).toEqual([`${path} ${remedy}`]);
  });

  test.each<[fault: string, keys: unknown]>([
    ['refreshToken.keys[0].id must be a whole number from 0 to 255', [{ id: 256, secret: SECRET }]],
    ['refreshToken.keys[0].id must be a whole number from 0 to 255', [{ id: -1, secret: SECRET }]],
    ['refreshToken.keys[0].id must be a whole number from 0 to 255', [{ id: 1.5, secret: SECRET }]],
    ['refreshToken.keys[0].id must be a whole number from 0 to 255', [{ id: '1', secret: SECRET }]],
    ['refreshToken.keys[0].id must be a whole number from 0 to 255', [null]],
    ['refreshToken.keys[0].secret must be 32 random bytes', [{ id: 1, secret: 'x'.repeat(31) }]],
    ['refreshToken.keys[0].secret must be 32 random bytes', [{ id: 1, secret: new Uint8Array(31) }]],
    ['refreshToken.keys[0].secret must be 32 random bytes', [{ id: 1 }]],
    ['refreshToken.keys must not use an id twice', [1, 2, 1].map((id) => ({ id, secret: SECRET }))],
  ])('a refresh-token key: %s', (fault, keys) => {
    expect(errorOf(withOption('refreshToken.keys', keys)).faults.join('\n')).toContain(fault);
  });

  test.each<[fault: string, credentials: unknown]>([
    ['resourceServers[0].id must be 1 to 64 of', [{ id: '', secret: SECRET }]],
    ['resourceServers[0].id must be 1 to 64 of', [{ id: 'a:b', secret: SECRET }]],
    ['resourceServers[0].id must be 1 to 64 of', [{ id: 'x'.repeat(65), secret: SECRET }]],
    ['resourceServers[0].id must be 1 to 64 of', [{ secret: SECRET }]],
    ['resourceServers[0].secret must be 32 or more visible', [{ id: 'a', secret: 'x'.repeat(31) }]],
    ['resourceServers[0].secret must be 32 or more visible', [{ id: 'a', secret: `${SECRET} ` }]],
    ['resourceServers[0].secret must be 32 or more visible', [{ id: 'a', secret: new Uint8Array(32) }]],
    ['resourceServers[0].secret must be 32 or more visible', [{ id: 'a' }]],
    ['resourceServers must not use an id twice', ['a', 'b', 'a'].map((id) => ({ id, secret: SECRET }))],
  ])('the credentials of a resource server: %s', (fault, credentials) => {
    const message = errorOf(withOption('resourceServers', credentials)).message;
    expect(message).toContain(fault);
    expect(message).not.toContain(SECRET);
  });

  test.each<[fault: string, clients: unknown]>([
    ['clients[0].id must be 1 to 255 visible ASCII', [{ id: '' }]],
    ['clients[0].id must be 1 to 255 visible ASCII', [{ id: 'a b' }]],
    ['clients[0].id must be 1 to 255 visible ASCII', [{ id: 'x'.repeat(256) }]],
    ['clients[0].id must be 1 to 255 visible ASCII', [null]],
    ['clients[0].id must be 1 to 64 of', [{ id: 'a:b', secret: SECRET }]],
    ['clients[0].secret must be 32 or more visible', [{ id: 'a', secret: 'x'.repeat(31) }]],
    ['clients[0].secret must be 32 or more visible', [{ id: 'a', secret: [SECRET, `${SECRET} `] }]],
    ['clients[0].secret must be 32 or more visible', [{ id: 'a', secret: new Uint8Array(32) }]],
    ['clients[0].secret must be 32 or more visible', [{ id: 'a', secret: undefined }]],
    ['clients[0].secret must be 32 or more visible', [{ id: 'a', secret: null }]],
    ['clients[0].secret must be 32 or more visible', [{ id: 'a', secret: [] }]],
    ['clients[0].secret must be 32 or more visible', [{ id: 'a', secret: '' }]],
    ['clients[0].secrets is not an option', [{ id: 'a', secrets: [SECRET] }]],
    ['clients must not use an id twice', ['a', 'b', 'a'].map((id) => ({ id }))],
  ])('a client: %s', (fault, clients) => {
    const message = errorOf(withOption('clients', clients)).message;
    expect(message).toContain(fault);
    expect(message).not.toContain(SECRET);
  });

  test('a client whose secret is a getter of its class is as confidential as any', () => {
    class Backend {
      readonly id = 'backend';
      get secret(): string {
        return SECRET;
      }
    }
    expect(resolveOptions({ ...required, clients: [new Backend()] }).clients).toContainEqual({
      id: 'backend',
      secrets: [SECRET],
    });
  });

  test('the client of those that name none is public, unless it is listed with a secret', () => {
    const listed = [
      { id: 'phone' },
      { id: 'backend', secret: SECRET },
      { id: 'other', secret: [SECRET, `${SECRET}2`] },
    ];
    expect(resolveOptions({ ...required, clients: listed }).clients).toEqual([
      { id: 'default', secrets: [] },
      { id: 'phone', secrets: [] },
      { id: 'backend', secrets: [SECRET] },
      { id: 'other', secrets: [SECRET, `${SECRET}2`] },
    ]);
    expect(resolveOptions({ ...required, clients: listed, clientId: 'backend' }).clients).toHaveLength(3);
  });

  test('a family is not forgotten before its last access token, where rows are deleted at all', () => {
    const long = {
      ...withOption('prune.keep', '24h'),
      accessToken: { ...required.accessToken, lifetime: '1d' },
    };
    expect(errorOf(long).faults).toEqual([expect.stringContaining('prune.keep is below')]);
    expect(resolveOptions({ ...long, prune: { enabled: false } }).accessToken.lifetime).toBe(86_400);
    expect(resolveOptions({ ...long, prune: { keep: '25h' } }).prune.keep).toBe(90_000);
  });

  test.each<[fault: string, changes: [string, unknown][]]>([
    ['refreshToken.idleLifetime is longer than', [['refreshToken.lifetime', '1d']]],
    ['refreshToken.leeway is not below', [['refreshToken.idleLifetime', '10s']]],
    ['revocation.pollInterval is not below', [['revocation.maxStaleness', '2s']]],
    ['database.lockTimeout is not below', [['database.queryTimeout', '2s']]],
    ['revocation.listenUrl is given', [['revocation', { listen: false, listenUrl: 'postgres://db/app' }]]],
  ])('two options that contradict each other: %s', (fault, [change]) => {
    expect(errorOf(withOption(...change!)).faults).toEqual([expect.stringContaining(fault)]);
  });

  test.each([
    ['acessToken', 'acessToken'],
    ['accessToken.lifetimee', 'accessToken.lifetimee'],
    ['refreshToken.rotation', 'refreshToken.rotation'],
    ['revocation.pollinterval', 'revocation.pollinterval'],
    ['synchronize', 'synchronize'],
  ])('%s is no option, and is named', (path) => {
    expect(errorOf(withOption(path, false)).faults).toEqual([
      `${path} is not an option: remove it, or correct its name`,
    ]);
  });

  test('all faults are named at once, those of other rooms too, each on a line of its own', () => {
    const error = errorOf(
      {
        audience: [],
        accessToken: { keys: [], lifetime: 'soon', typo: 1 },
        refreshToken: { keys: [{ id: 1, secret: 'short' }], leeway: '10d' },
        revocation: { pollInterval: '60s' },
      },
      ['accessToken.keys[0] cannot be read'],
    );
    const named = error.faults.map((fault) => fault.split(' ')[0]);
    expect(new Set(named)).toEqual(
      new Set([
        'issuer',
        'audience',
        'accessToken.keys',
        'accessToken.lifetime',
        'accessToken.typo',
        'refreshToken.keys[0].secret',
        'refreshToken.leeway',
        'revocation.pollInterval',
        'accessToken.keys[0]',
      ]),
    );
    expect(error.message.split('\n')).toHaveLength(1 + error.faults.length);
    expect(error).toMatchObject({ code: 'ERR_CONFIG', name: 'ConfigError' });
  });

  test('no options at all are faults, not a crash', () => {
    const demanded = ['accessToken.keys', 'audience', 'issuer', 'refreshToken.keys'];
    for (const input of [undefined, null, 'options', {}]) {
      expect(
        errorOf(input)
          .faults.map((fault) => fault.split(' ')[0]!)
          .toSorted(),
      ).toEqual(demanded);
    }
  });

  test('no message repeats a secret', () => {
    const secret = 'hunter2-hunter2';
    const input = { ...required, refreshToken: { keys: [{ id: 999, secret }], leeway: secret } };
    const revocation = { listenUrl: `mysql://app:${secret}@db/app` };
    const error = errorOf({ ...input, accessToken: { keys: secret }, database: secret, revocation });
    expect(error.message + String(error.stack) + JSON.stringify(error)).not.toContain('hunter2');
  });
});

const encryptionKeys = [{ id: 1, secret: SECRET }];

/** The required options with managed keys in place of given ones, and changes to them. */
function withManagedKeys(managedKeys: unknown = {}, changes: object = {}): TokenFamilyOptions {
  const group = typeof managedKeys === 'object' ? { encryptionKeys, ...managedKeys } : managedKeys;
  return { ...required, ...changes, accessToken: { managedKeys: group } } as TokenFamilyOptions;
}

describe('managed keys', () => {
  test('need a key-encryption key only, and have their documented defaults', () => {
    expect(resolveOptions(withManagedKeys()).accessToken).toMatchObject({
      keys: [],
      managedKeys: { encryptionKeys, rotateEvery: 30 * 86_400, publishLead: 3600 },
    });
  });

  test('may be set, down to what tests need', () => {
    const managedKeys = { rotateEvery: 0.4, publishLead: '0.2s' };
    const options = withManagedKeys(managedKeys, { revocation: { pollInterval: 0.1 } });
    expect(resolveOptions(options).accessToken.managedKeys).toMatchObject({
      rotateEvery: 0.4,
      publishLead: 0.2,
    });
  });

  const path = 'accessToken.managedKeys';
  test.each<[fault: string, managedKeys: unknown, changes?: object]>([
    [`${path} must be an object of options`, 5],
    [`${path}.encryptionKeys must be a list`, { encryptionKeys: [] }],
    [
      `${path}.encryptionKeys[0].secret must be 32 random bytes`,
      { encryptionKeys: [{ id: 1, secret: 'x' }] },
    ],
    [
      `${path}.encryptionKeys[0].id must be a whole number`,
      { encryptionKeys: [{ id: 256, secret: SECRET }] },
    ],
    [
      `${path}.encryptionKeys must not use an id twice`,
      { encryptionKeys: [...encryptionKeys, ...encryptionKeys] },
    ],
    [`${path}.rotateEvery must be a duration`, { rotateEvery: 'monthly' }],
    [`${path}.publishLead must be a duration`, { publishLead: 0.1 }],
    [`${path}.publishLead is not below`, { publishLead: '1h', rotateEvery: '1h' }],
    [`${path}.publishLead is below 2 × revocation.pollInterval`, { publishLead: '3s' }],
    [`${path}.rotate is not an option`, { rotate: true }],
  ])('%s', (fault, managedKeys) => {
    expect(errorOf(withManagedKeys(managedKeys)).faults).toContainEqual(expect.stringContaining(fault));
  });

  test('publishLead of twice the poll interval is enough', () => {
    expect(resolveOptions(withManagedKeys({ publishLead: '4s' })).accessToken.managedKeys!.publishLead).toBe(
      4,
    );
  });

  test('of HS256 are a fault: there is no public key', () => {
    const { accessToken } = withManagedKeys();
    const input = { ...required, accessToken: { ...accessToken, algorithm: 'HS256' } };
    expect(errorOf(input).faults).toEqual([expect.stringMatching(/^accessToken\.algorithm HS256/)]);
  });

  test('and given keys are one too many', () => {
    expect(errorOf(withOption(path, { encryptionKeys })).faults).toEqual([
      `accessToken.keys and ${path} are both given: remove one of them`,
    ]);
  });

  test('or given keys there must be', () => {
    expect(errorOf(withOption('accessToken', {})).faults).toEqual([
      `accessToken.keys must be a list of at least one key, unless ${path} is given`,
    ]);
  });
});

const warnings = (lifetime: number, jitter: number, leeway: number) =>
  warningsFor(
    resolveOptions({
      ...required,
      accessToken: { ...required.accessToken, lifetime, jitter },
      refreshToken: { ...required.refreshToken, leeway },
    }),
  );

describe('warnings', () => {
  test('the defaults warn of nothing', () => {
    expect(warningsFor(resolveOptions(required))).toEqual([]);
  });

  test.each([
    ['exactly four times the leeway', 200, 0.2, 10, 0],
    ['less than four times the leeway', 199, 0.2, 10, 1],
    ['no jitter', 300, 0, 10, 1],
    ['no leeway', 300, 0, 0, 0],
  ])('a spread of %s', (_, lifetime, jitter, leeway, count) => {
    expect(warnings(lifetime, jitter, leeway)).toHaveLength(count);
  });

  test('a warning names both options and the remedy', () => {
    expect(warnings(60, 0.2, 10)[0]).toMatch(/accessToken\.jitter.*refreshToken\.leeway.*lower the leeway/);
  });
});
