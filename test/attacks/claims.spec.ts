import { each, title } from './forge.js';
import { get, onBoth } from './target.js';
import { ask, bearer } from './wire.js';
import { expectAccepted, expectRefused } from './verdicts.js';

onBoth((node) => {
  test('A25 the issuer is compared to the letter', async () => {
    const ours = 'https://issuer.test';
    const others = [
      'HTTPS://ISSUER.TEST',
      'https://issuer.tes',
      `${ours}/`,
      `${ours}.evil`,
      `${ours}@evil`,
      `${ours}?`,
      `${ours} `,
    ];
    const wrong = [
      undefined,
      null,
      '',
      [ours],
      { 0: ours },
      1,
      true,
      'http://issuer.test',
      '^https://issuer.test',
      ` ${ours}`,
    ];
    await expectRefused(node, each(node.forge, 'iss', [...others, ...wrong]));
  });

  test('A26 an audience of ours is named to the letter', async () => {
    const ours = 'https://api.test';
    const others = [
      'https://api.test2',
      `${ours} `,
      'HTTPS://API.TEST',
      `${ours}/`,
      'https://api',
      '.*',
      '*',
      '',
    ];
    const wrong = [undefined, null, [], ['other'], [[ours]], { [ours]: 1 }, { 0: ours, length: 1 }, 1, true];
    await expectRefused(
      node,
      each(node.forge, 'aud', [...others, ...wrong, [ours, 1], [ours, null], [ours, [ours]]]),
    );
  });

  test('A27 an audience of ours may be one of several', async () => {
    await expectAccepted(
      node,
      each(node.forge, 'aud', [['other', 'https://api.test'], ['https://api.test'], 'https://api.test']),
    );
  });

  test('A28 a sub is a text of 1 to 255 characters, and so are jti, client_id and sid', async () => {
    const wrong = [
      undefined,
      null,
      '',
      1,
      true,
      {},
      ['alice'],
      '\ud800',
      'al\udc00ice',
      'x'.repeat(256),
      'x'.repeat(10_000),
    ];
    for (const name of ['sub', 'jti', 'client_id', 'sid'])
      await expectRefused(node, each(node.forge, name, wrong));
    await expectAccepted(node, each(node.forge, 'sub', ['x', 'x'.repeat(255), '語'.repeat(255)]));
  });

  test('A28 a name that only looks like another is another user', async () => {
    const names = [
      '\u0430lice',
      'Alice',
      'alice ',
      'alice\u200b',
      'ａlice',
      'al\u0131ce',
      'alice\u0000',
      'ange\u0301',
      'ang\u00e9',
    ];
    const users = await expectAccepted(node, each(node.forge, 'sub', names));
    expect(Object.values(users).map(({ sub }) => sub)).toEqual(names);
    for (const token of Object.values(each(node.forge, 'sub', names))) {
      const sessions = await ask(node.url, { path: '/auth/sessions', headers: [bearer(token)] });
      expect([sessions.status, sessions.body]).toEqual([200, '[]']);
    }
  });

  test('A34 a claim named after a property changes no prototype and grants nothing', async () => {
    const before = (member: string) =>
      node.forge.token({ claims: node.forge.text().replace('{', `{${member},`) });
    const poisons = [
      '"__proto__":{"admin":true,"scope":"admin"}',
      '"constructor":{"prototype":{"admin":true}}',
      '"prototype":{"admin":true}',
      '"toString":"x","valueOf":1,"toJSON":true,"then":"x"',
      String.raw`"\u005f_proto__":{"admin":true}`,
      '"hasOwnProperty":true',
    ];
    for (const token of poisons.map(before)) {
      const reply = await get(node, token);
      expect([reply.status, reply.body.includes('"isAdmin":false')]).toEqual([200, true]);
      expect((await get(node, token, '/admin')).status).toBe(403);
      expect((await get(node, token)).body).toBe(reply.body);
    }
    expect(({} as { admin?: boolean }).admin).toBeUndefined();
    const nameless = node.forge.text({ sub: undefined }).replace('{', '{"__proto__":{"sub":"mallory"},');
    await expectRefused(node, { 'a sub of the prototype': node.forge.token({ claims: nameless }) });
  });

  test('A34 a claim of the application is of the type it was signed with', async () => {
    const roles = ['admin', ['admin'], { admin: true }, 1, null];
    const users = await expectAccepted(node, each(node.forge, 'role', roles));
    for (const role of roles) expect(users[title(role)]).toHaveProperty('role', role);
  });

  test('A43 a scope that is no text makes no token', async () => {
    await expectRefused(node, each(node.forge, 'scope', [['admin'], { admin: true }, 1, true, null, []]));
  });

  test('A44 a token bound to a key of its client is no bearer token', async () => {
    const bound = [{ jkt: 'thumbprint' }, { 'x5t#S256': 'thumbprint' }, { jwk: {} }, {}, null, '', false];
    await expectRefused(node, each(node.forge, 'cnf', bound));
  });
});
