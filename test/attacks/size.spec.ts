import { deflateRawSync } from 'node:zlib';
import { base64url } from './forge.js';
import { contextOf, onBoth } from './target.js';
import { expectAccepted, expectRefusals, expectRefused, MALFORMED } from './verdicts.js';
import { bearer } from './wire.js';

const request = (token: string) =>
  contextOf('http', [{ method: 'GET', url: '/me', headers: { authorization: `Bearer ${token}` } }]);

/** For how many milliseconds nobody else is served; of several runs, as others use the machine too. */
function shortestTime(refuse: () => unknown): number {
  const times = Array.from({ length: 5 }, () => {
    const started = performance.now();
    expect(refuse).toThrow(/invalid|malformed/);
    return performance.now() - started;
  });
  return Math.min(...times);
}

onBoth((node) => {
  const header = (text: string | Buffer) => node.forge.token({ header: text });
  const claims = (text: string | Buffer) => node.forge.token({ claims: text });

  test('A35 size and depth are bounded before anything is parsed', async () => {
    const deep = (depth: number) => `{"a":`.repeat(depth) + '1' + '}'.repeat(depth);
    const nested = (depth: number) =>
      claims(node.forge.text({ deep: 0 }).replace('"deep":0', `"deep":${deep(depth)}`));
    const huge = 'A'.repeat(5 << 20);
    const large = {
      '20 000 levels': nested(20_000),
      '5 MB of letters': huge,
      '5 MB with dots': `${huge}.${huge}.AAAA`,
    };
    const brackets = '['.repeat(5 << 20);
    await expectRefused(node, large);
    await expectRefusals(node, { '5 MB of no token': { headers: [bearer(brackets)] } }, MALFORMED);
    for (const token of [...Object.values(large), brackets, `${huge}[`, `${huge} ${huge}`]) {
      // Measured: 5 to 30 ms. A quadratic step over 5 MB would take minutes.
      expect(shortestTime(() => node.guard.canActivate(request(token)))).toBeLessThan(250);
    }
    // What an application may claim, 2048 bytes of it, can be this deep.
    const lists = '['.repeat(1000) + ']'.repeat(1000);
    await expectAccepted(node, { lists: claims(node.forge.text({ x: 0 }).replace('"x":0', `"x":${lists}`)) });
  });

  test('A35 a header has 1 KiB and a token 8 KiB, and not one character more', async () => {
    const head = JSON.stringify(node.forge.header);
    const padded = (size: number) => header(head + ' '.repeat((size / 4) * 3 - head.length));
    const filled = (size: number) => {
      const rest = size - node.forge.token({ claims: '' }).length;
      const bytes = Math.floor((rest * 3) / 4);
      const body = node.forge.text({ fill: '' });
      return claims(body.replace('"fill":""', `"fill":"${'x'.repeat(bytes - body.length)}"`));
    };
    expect([padded(1024).indexOf('.'), filled(8192).length]).toEqual([1024, 8192]);
    await expectAccepted(node, { header: padded(1024), token: filled(8192) });
    await expectRefused(node, { header: padded(1028), token: filled(8194) });
  });

  test('A36 an encrypted or compressed token is refused unopened', async () => {
    const jwe = (head: object) =>
      [JSON.stringify(head), 'key', 'iv', 'text', 'tag'].map((part) => base64url(part)).join('.');
    const bomb = deflateRawSync(Buffer.alloc(4 << 20));
    const memory = process.memoryUsage().rss;
    await expectRefused(node, {
      dir: jwe({ alg: 'dir', enc: 'A256GCM' }),
      'PBES2 of 2^31 rounds': jwe({
        alg: 'PBES2-HS256+A128KW',
        enc: 'A128CBC-HS256',
        p2c: 2 ** 31,
        p2s: 'AAAA',
      }),
      'PBES2 in three segments': node.forge.token({
        header: { alg: 'PBES2-HS256+A128KW', p2c: 2 ** 31, p2s: 'AAAA' },
      }),
      'compressed claims': node.forge.token({ header: { zip: 'DEF' }, claims: bomb }),
      'compressed claims that say nothing of it': claims(bomb),
    });
    expect(process.memoryUsage().rss - memory).toBeLessThan(256 << 20);
  });
});
