import { Injectable, Module, type BeforeApplicationShutdown } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { TypeOrmModule } from '@nestjs/typeorm';
import { AuthModule } from 'nestjs-token-family';
import { RevocationFeed } from '../libs/auth/src/revocation/revocation.feed.js';
import { statementsFor } from '../libs/auth/src/storage/statements.js';
import { createDatabase, dataSourceOptions, type TestDatabase } from './support/database.js';
import { me } from './support/http.js';
import { options, startNode } from './support/node.js';
import { soon } from './support/wire.js';

let database: TestDatabase;
beforeAll(async () => {
  database = await createDatabase();
});
afterAll(() => database.drop());

const quick = options({ revocation: { pollInterval: 0.05, listen: false } });

test('a revocation reaches the access tokens of its session on every node, and of no other', async () => {
  const nodes = await Promise.all([1, 2, 3].map(() => startNode({ url: database.url, options: quick })));
  try {
    const [dead, alive] = [await nodes[0]!.tokens.issue('alice'), await nodes[0]!.tokens.issue('alice')];
    await nodes[1]!.tokens.revoke(dead.sid);
    expect((await me(nodes[1]!, dead.accessToken)).status).toBe(401);
    for (const node of nodes) {
      expect(await soon(async () => (await me(node, dead.accessToken)).status === 401)).toBe(true);
      expect((await me(node, alive.accessToken)).status).toBe(200);
    }
  } finally {
    await Promise.all(nodes.map((node) => node.close()));
  }
});

test('a node that starts knows what was revoked before', async () => {
  const first = await startNode({ url: database.url });
  const pair = await first.tokens.issue('alice');
  await first.tokens.revoke(pair.sid);
  await first.close();
  const second = await startNode({ url: database.url });
  expect((await me(second, pair.accessToken)).status).toBe(401);
  await second.close();
});

test('two logins and a revoke-all within one second: the first is dead, the second lives', async () => {
  const node = await startNode({ url: database.url });
  for (let round = 0; round < 50; round++) {
    const before = await node.tokens.issue(`user-${round}`);
    await node.tokens.revokeAll(`user-${round}`);
    const after = await node.tokens.issue(`user-${round}`);
    expect((await me(node, before.accessToken)).status).toBe(401);
    expect((await me(node, after.accessToken)).status).toBe(200);
  }
  await node.close();
});

test('a node that drains still learns of revocations', async () => {
  let drained!: () => void;

  @Injectable()
  class Drain implements BeforeApplicationShutdown {
    async beforeApplicationShutdown(): Promise<void> {
      await new Promise<void>((resolve) => (drained = resolve));
    }
  }

  @Module({
    imports: [TypeOrmModule.forRoot(dataSourceOptions(database.url)), AuthModule.forRoot(quick)],
    providers: [Drain],
  })
  class DrainingModule {}

  const other = await startNode({ url: database.url });
  const app = (await Test.createTestingModule({ imports: [DrainingModule] }).compile()).createNestApplication(
    {
      logger: false,
    },
  );
  await app.init();
  const { sid } = await other.tokens.issue('alice');
  const { RevocationCheck } = await import('../libs/auth/src/core/revocation-ports.js');
  const feed = app.get<RevocationFeed>(RevocationCheck);
  const closed = app.close();
  expect(await soon(async () => drained !== undefined)).toBe(true);
  await other.tokens.revoke(sid);
  expect(await soon(async () => feed.isRevoked(sid, Date.now()))).toBe(true);
  drained();
  await closed;
  await other.close();
});

test('the poll reads its window through the index, however many sessions were ever revoked', async () => {
  await database.query(`
    insert into refresh_token (family_id, subject, client_id, generation, root_hash, step_hash, key_id, issued_at,
                               rotated_at, idle_expires_at, expires_at, revoked_at, revocation_reason)
    select gen_random_uuid(), 'old', 'default', 0, '', '', 1, now(), now(), now(), now(), now() - interval '30 days', 'logout'
    from generate_series(1, 20000)`);
  await database.query('analyze refresh_token');
  const { text } = statementsFor('refresh_token').revokedWithin;
  const plan = await database.query<{ 'QUERY PLAN': string }>(`explain ${text.replaceAll('$1', '60000')}`);
  expect(plan.map((line) => line['QUERY PLAN']).join('\n')).toMatch(
    /refresh_token_revoked_at_idx[\s\S]*Index Cond: \(revoked_at >/,
  );
});
