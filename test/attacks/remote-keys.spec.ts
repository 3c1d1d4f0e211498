import { randomUUID } from 'node:crypto';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { me } from '../support/http.js';
import { issuerKey, startIssuer, type FakeIssuer, type IssuerKey } from '../resource-server/issuer.js';
import { startResourceServer, type ResourceNode } from '../resource-server/node.js';

describe.each(['express', 'fastify'] as const)(
  'a service that reads its keys elsewhere, on %s',
  (adapter) => {
    let issuer: FakeIssuer;
    let key: IssuerKey;
    let node: ResourceNode;
    let good: string;
    let inside: Server;
    let visits = 0;
    beforeAll(async () => {
      [issuer, key] = [await startIssuer(), await issuerKey()];
      issuer.publish(key.jwk);
      good = await issuer.token(key);
      node = await startResourceServer(
        {
          issuer: issuer.issuer,
          audience: 'api',
          jwksUri: issuer.jwksUri,
          // Nothing but a token of an unknown key makes it ask, and each may at once.
          jwks: { refreshInterval: '1h', coolDown: 0.05, timeout: 0.5 },
        },
        adapter,
      );
      inside = createServer((_, response) => {
        visits++;
        response.end(JSON.stringify({ keys: [key.jwk] }));
      });
      await new Promise<void>((resolve) => inside.listen(0, '127.0.0.1', resolve));
    });
    afterAll(async () => {
      await node.close();
      await issuer.close();
      inside.close();
    });

    const unknown = () => issuer.token(key, {}, { kid: randomUUID() });

    test('S13 keeps its last good keys whatever comes in place of new ones, and follows no redirect', async () => {
      const address = `http://127.0.0.1:${(inside.address() as AddressInfo).port}/`;
      const answers: [string, (response: ServerResponse) => void][] = [
        ['an error', (response) => response.writeHead(500).end()],
        ['an empty set', (response) => response.end('{"keys":[]}')],
        ['ten megabytes', (response) => response.end(`{"keys":[],"filler":"${'x'.repeat(10_000_000)}"}`)],
        ['nothing, for ever', () => {}],
        ['a redirect inwards', (response) => response.writeHead(302, { location: address }).end()],
        ['another kind of JSON', (response) => response.end('[]')],
      ];
      for (const [title, answer] of answers) {
        issuer.answer = answer;
        const asked = issuer.fetches();
        // Until it asks: a cool-down begins with every answer.
        while (issuer.fetches() === asked)
          expect([401, 503]).toContain((await me(node, await unknown())).status);
        expect([title, (await me(node, good)).status]).toEqual([title, 200]);
      }
      expect(visits).toBe(0);
    });
  },
);

describe.each(['express', 'fastify'] as const)('a flood of unknown keys, on %s', (adapter) => {
  test('S12 2,000 tokens with random kids cost one fetch in a cool-down, and good ones pass among them', async () => {
    const [issuer, key] = [await startIssuer(), await issuerKey()];
    issuer.publish(key.jwk);
    const { issuer: iss, jwksUri } = issuer;
    const jwks = { refreshInterval: '1h', coolDown: '1h' };
    const node = await startResourceServer({ issuer: iss, audience: 'api', jwksUri, jwks }, adapter);
    const before = issuer.fetches();
    const [good, other] = [await issuer.token(key), await issuerKey()];
    const body = (await issuer.token(other)).split('.')[1]!;
    const forged = () => {
      const header = { alg: 'ES256', typ: 'at+jwt', kid: randomUUID() };
      return `${Buffer.from(JSON.stringify(header)).toString('base64url')}.${body}.${'A'.repeat(86)}`;
    };
    for (let round = 0; round < 20; round++) {
      const answers = await Promise.all(Array.from({ length: 100 }, () => me(node, forged())));
      expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([401]));
      expect((await me(node, good)).status).toBe(200);
    }
    expect(issuer.fetches() - before).toBeLessThanOrEqual(1);
    await node.close();
    await issuer.close();
  }, 120_000);
});
