import { createDatabase, type TestDatabase } from './support/database.js';
import { startNode, type TestNode } from './support/node.js';

/* What the guard refuses, and how, is in test/attacks. */

let database: TestDatabase;
let node: TestNode;
beforeAll(async () => {
  database = await createDatabase();
  node = await startNode({ url: database.url });
});
afterAll(async () => {
  await node.close();
  await database.drop();
});

test('introspection says what is good now, and of a refresh token only whether its family lives', async () => {
  const { tokens } = node;
  const one = await tokens.issue('bob', { scope: 'read' });
  expect(await tokens.introspect(one.accessToken)).toMatchObject({
    active: true,
    sub: 'bob',
    token_type: 'Bearer',
    token_use: 'access_token',
  });
  expect(await tokens.introspect(one.refreshToken)).toEqual({
    active: true,
    token_use: 'refresh_token',
    sub: 'bob',
    client_id: 'default',
    sid: one.sid,
    scope: 'read',
  });
  await tokens.revoke(one.sid);
  expect(await tokens.introspect(one.accessToken)).toEqual({ active: false });
  expect(await tokens.introspect(one.refreshToken)).toEqual({ active: false });
  expect(await tokens.introspect('nonsense')).toEqual({ active: false });
});
