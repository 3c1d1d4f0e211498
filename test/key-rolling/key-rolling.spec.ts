import { createDatabase, type TestDatabase } from '../support/database.js';
import { startDemo, type DemoProcess } from '../support/demo-process.js';
import { startFront } from './front.js';
import { useTokens, watchKeys, type History } from './traffic.js';

const CHANGES = 20;
const CLIENTS = 4;

const common = { ISSUER: 'https://demo.test', ACCESS_TOKEN_LIFETIME: '10s' };
const keySettings = {
  REVOCATION_POLL_INTERVAL: '0.1s',
  SIGNING_KEY_ROTATE_EVERY: '1.2s',
  SIGNING_KEY_PUBLISH_LEAD: '0.8s',
};

let database: TestDatabase;
beforeAll(async () => {
  database = await createDatabase({ empty: true });
});
afterAll(() => database.drop());

async function activeKey(): Promise<string> {
  const [row] = await database.query<{ kid: string }>(`select kid from signing_key where state = 'active'`);
  return row!.kid;
}

/** Waits for the next change of the active key, and says which it is now. */
async function changeAfter(kid: string): Promise<string> {
  for (const end = Date.now() + 20_000; Date.now() < end;) {
    const active = await activeKey();
    if (active !== kid) return active;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error(`No key has taken over from ${kid}`);
}

test('20 changes of the key by two nodes at once, one of them killed each time, refuse no good token anywhere', async () => {
  const environment = { ...common, ...keySettings, DATABASE_URL: database.url };
  const start = () => startDemo(environment);
  const nodes: (DemoProcess | null)[] = [await start(), await start()];
  const up = () => nodes.flatMap((node, index) => (node ? [{ url: node.url, name: `node ${index}` }] : []));
  const front = await startFront(up);
  const outside = await startDemo(
    {
      ...common,
      JWKS_URI: `${front.url}/.well-known/jwks.json`,
      REVOCATIONS_URI: `${front.url}/auth/revocations`,
      JWKS_REFRESH_INTERVAL: '0.2s',
      JWKS_COOL_DOWN: '0.1s',
    },
    'resource',
  );
  const history: History = { refusals: [], publishedAt: new Map(), signedAt: new Map(), verified: 0 };
  const scene = { nodes: up, resource: { name: 'outside', url: outside.url } };
  const end = new AbortController();
  const traffic = [
    watchKeys(scene, history, end.signal),
    ...Array.from({ length: CLIENTS }, () => useTokens(scene, history, end.signal)),
  ];
  try {
    let active = await activeKey();
    for (let change = 0; change < CHANGES; change++) {
      const victim = change % 2;
      const dying = nodes[victim]!;
      // Anywhere between two changes: before the next key is published, while it waits, while it takes over.
      await new Promise((resolve) => setTimeout(resolve, (change * 1200) / CHANGES));
      nodes[victim] = null;
      await dying.kill();
      const restarted = start();
      active = await changeAfter(active);
      nodes[victim] = await restarted;
    }
  } finally {
    end.abort();
    await Promise.allSettled(traffic);
    await Promise.all([...nodes.map((node) => node?.kill()), outside.kill(), front.close()]);
  }
  await Promise.all(traffic);

  expect(history.refusals).toEqual([]);
  expect(history.signedAt.size).toBeGreaterThan(CHANGES);
  expect(history.verified).toBeGreaterThan(CHANGES * 50);
  const early = [...history.signedAt].filter(
    ([kid, signedAt]) => !(history.publishedAt.get(kid)! < signedAt),
  );
  // The very first key signs as soon as there is one.
  expect(early.slice(1)).toEqual([]);
}, 600_000);
