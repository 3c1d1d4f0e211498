import { randomBytes } from 'node:crypto';
import { connectionsTaken } from './support/connections.js';
import { refresh } from './support/http.js';
import { options } from './support/node.js';
import { onBothAdapters } from './support/on-both-adapters.js';

const MANY = 50_000;
const OVER_HTTP = 300;
const BYTES = 69;
/** No poll falls into a test: every connection that is taken is taken for a request. */
const quiet = options({ revocation: { pollInterval: '60s', maxStaleness: '1h', listen: false } });

/** Noise, a token's shape with a wrong tag, too long, too short. */
function garbage(n: number): string {
  const bytes = randomBytes(BYTES);
  bytes[0] = 1;
  bytes[17]! &= 0x7f;
  const shaped = `rt1_${bytes.toString('base64url')}`;
  return [bytes.toString('hex'), shaped, 'x'.repeat(7000), shaped.slice(0, -1)][n % 4]!;
}

onBothAdapters({ options: quiet }, (fixture, adapter) => {
  test('R36 no refresh with garbage costs a query, and a good one among them rotates', async () => {
    const { node } = fixture;
    const { refreshToken } = await node.tokens.issue('alice');
    const statuses = new Set<number>();
    const garbageAlone = async () => {
      for (let n = 0; n < OVER_HTTP; n++) statuses.add((await refresh(node, garbage(n))).status);
    };
    expect(await connectionsTaken(node, garbageAlone)).toBe(0);
    expect([...statuses]).toEqual([400]);
    const good = async () => void statuses.add((await refresh(node, refreshToken)).status);
    expect(await connectionsTaken(node, good)).toBe(1);
    expect(statuses.has(200)).toBe(true);
  });

  // Which adapter the node has makes no difference below it.
  if (adapter === 'fastify') return;
  test('R36 nor do 50,000', async () => {
    const codes = new Set<string>();
    const flood = async () => {
      for (let n = 0; n < MANY; n++) {
        await fixture.node.tokens
          .rotate(garbage(n))
          .catch((error: unknown) => codes.add((error as { code: string }).code));
      }
    };
    expect(await connectionsTaken(fixture.node, flood)).toBe(0);
    expect([...codes].toSorted()).toEqual(['ERR_REFRESH_TOKEN_FORGED', 'ERR_REFRESH_TOKEN_MALFORMED']);
  }, 120_000);
});
