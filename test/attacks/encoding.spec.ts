import * as fc from 'fast-check';
import { base64url, byTitle, title } from './forge.js';
import { get, onBoth } from './target.js';
import {
  expectAccepted,
  expectControl,
  expectRefusals,
  expectRefused,
  INVALID,
  MALFORMED,
  verdictOf,
} from './verdicts.js';
import { ask, bearer } from './wire.js';

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
const BOM = '\uFEFF';

onBoth((node) => {
  /** A good token of ours, split. */
  const parts = () => node.forge.token().split('.') as [string, string, string];
  const header = (text: string | Buffer) => node.forge.token({ header: text });
  const claims = (text: string | Buffer) => node.forge.token({ claims: text });

  test('A14 the last character of a segment has one spelling', async () => {
    // 64 bytes leave four slack bits: fifteen other spellings of the same signature.
    const token = node.forge.token();
    const last = ALPHABET.indexOf(token.at(-1)!);
    const twins = Array.from({ length: 15 }, (_, at) => token.slice(0, -1) + ALPHABET[last + at + 1]!);
    for (const twin of twins) {
      expect(Buffer.from(twin.split('.')[2]!, 'base64url')).toEqual(
        Buffer.from(token.split('.')[2]!, 'base64url'),
      );
    }
    await expectRefused(node, byTitle(twins.map((twin) => [twin.at(-1)!, twin])));
    // Slack bits under a signature: of the very text that was sent.
    for (const text of [
      node.forge.text({ pad: '' }),
      node.forge.text({ pad: 'x' }),
      node.forge.text({ pad: 'xx' }),
    ]) {
      const [first] = parts();
      const segment = base64url(text);
      if (segment.length % 4 === 0) continue;
      const altered = segment.slice(0, -1) + ALPHABET[ALPHABET.indexOf(segment.at(-1)!) + 1]!;
      const signed = `${first}.${altered}`;
      await expectRefused(node, {
        [altered.at(-1)!]: `${signed}.${base64url(node.forge.signer(Buffer.from(signed)))}`,
      });
    }
  });

  test('A15 padding is another spelling, as is the alphabet of standard base64', async () => {
    const [head, body, signature] = parts();
    // Sixteen claims that encode to the two characters in which the alphabets differ.
    const odd = claims(node.forge.text({ odd: '???>>>???>>>' }));
    expect(odd.split('.')[1]).toMatch(/[-_]/);
    const [oddHead, oddBody, oddSignature] = odd.split('.') as [string, string, string];
    const standard = oddBody.replaceAll('-', '+').replaceAll('_', '/');
    const resigned = `${oddHead}.${standard}`;
    await expectRefused(node, {
      'after the signature': `${head}.${body}.${signature}==`,
      'one, after the signature': `${head}.${body}.${signature}=`,
      'standard alphabet': `${oddHead}.${standard}.${oddSignature}`,
      'standard alphabet, signed': `${resigned}.${base64url(node.forge.signer(Buffer.from(resigned)))}`,
      'standard alphabet in the signature': `${head}.${body}.${signature.slice(0, -2)}+/`,
      'a tilde': `${head}.${body}.~${signature.slice(1)}`,
    });
  });

  test('A15 what no token can be spelt with is a malformed request', async () => {
    const [head, body, signature] = parts();
    const token = node.forge.token();
    const authorization = (value: string) => ({ headers: [['Authorization', value] as const] });
    await expectRefusals(
      node,
      {
        'padding after the header': { headers: [bearer(`${head}==.${body}.${signature}`)] },
        'padding after the claims': { headers: [bearer(`${head}.${body}==.${signature}`)] },
        'a space within': { headers: [bearer(`${head}.${body.slice(0, 9)} ${body.slice(9)}.${signature}`)] },
        'a tab within': { headers: [bearer(`${head}.${body}\t.${signature}`)] },
        'a tab before': authorization(`Bearer \t${token}`),
        'a tab in place of the space': authorization(`Bearer \t ${token}`),
        'a byte beyond ASCII': { headers: [bearer(`${token}\u00e9`)] },
        'a zero-width space in UTF-8': { headers: [bearer(`${token}\u00e2\u0080\u008b`)] },
        'a quote': { headers: [bearer(`"${token}"`)] },
        'a percent': { headers: [bearer(token.replace('.', '%2e'))] },
        'a comma': { headers: [bearer(`${token},${token}`)] },
      },
      MALFORMED,
    );
  });

  test('A15 a line break in the header is never carried to the guard', async () => {
    const token = node.forge.token();
    const values = [
      `Bearer ${token.slice(0, 50)}\n${token.slice(50)}`,
      `Bearer ${token}\r`,
      `Bearer ${token}\u0000`,
    ];
    for (const value of [
      ...values,
      `Bearer\r\n ${token}`,
      `Bearer ${token.slice(0, 50)}\r\n\t${token.slice(50)}`,
    ]) {
      const before = node.visits.count;
      const { status } = await ask(node.url, { headers: [['Authorization', value]] });
      expect([400, 401]).toContain(status);
      expect(node.visits.count).toBe(before);
    }
  });

  test('A16 a token has three segments, none of them empty', async () => {
    const [head, body, signature] = parts();
    await expectRefused(node, {
      one: head,
      two: `${head}.${body}`,
      'two and a dot': `${head}.${body}.`,
      four: `${head}.${body}.${signature}.${signature}`,
      five: `${head}.${body}.${signature}.${signature}.${signature}`,
      'a dot after': `${head}.${body}.${signature}.`,
      'a dot before': `.${head}.${body}.${signature}`,
      'no header': `.${body}.${signature}`,
      'no claims': `${head}..${signature}`,
      'detached, and signed': `${head}..${base64url(node.forge.signer(Buffer.from(`${head}.`)))}`,
      dots: '..',
      'one dot': '.',
      'many dots': '.'.repeat(8000),
    });
  });

  test('A17 a token in JSON serialisation is a malformed request', async () => {
    const [head, body, signature] = parts();
    const flattened = JSON.stringify({ protected: head, payload: body, signature });
    const general = JSON.stringify({ payload: body, signatures: [{ protected: head, signature }] });
    const requests = byTitle(
      [flattened, general].map((json) => [json.slice(2, 9), { headers: [bearer(json)] }]),
    );
    await expectRefusals(node, requests, MALFORMED);
    await expectRefused(node, { 'in base64': base64url(flattened) });
  });

  test('A18 header and claims are JSON in UTF-8 and nothing beside', async () => {
    const head = JSON.stringify(node.forge.header);
    const body = node.forge.text({ name: 'X' });
    const spoilt = (bytes: number[]) => {
      const [before, after] = body.split('X') as [string, string];
      return Buffer.concat([Buffer.from(before), Buffer.from(bytes), Buffer.from(after)]);
    };
    await expectRefused(node, {
      'a BOM before the header': header(BOM + head),
      'a BOM before the claims': claims(BOM + body),
      'UTF-16': claims(Buffer.from(body, 'utf16le')),
      'UTF-16 with its mark': claims(Buffer.from(BOM + body, 'utf16le')),
      'a header in UTF-16': header(Buffer.from(head, 'utf16le')),
      'a lone byte': claims(spoilt([0xff])),
      'half a character': claims(spoilt([0xc3])),
      'an overlong slash': claims(spoilt([0xc0, 0xaf])),
      'a surrogate': claims(spoilt([0xed, 0xa0, 0x80])),
      'beyond Unicode': claims(spoilt([0xf5, 0x80, 0x80, 0x80])),
      'NUL after': claims(`${body}\u0000`),
      'NUL before': claims(`\u0000${body}`),
      'NUL after the header': header(`${head}\u0000`),
      'a raw line feed in a text': claims(spoilt([0x0a])),
      'something after': claims(`${body}{}`),
      'a comma too many': claims(body.replace(/}$/, ',}')),
      'a comment': claims(`${body}/**/`),
      'single quotes': claims(body.replaceAll('"', "'")),
    });
  });

  test('A19 a member that comes twice is refused, however it is spelt, in header and claims', async () => {
    const body = node.forge.text();
    const head = JSON.stringify(node.forge.header);
    const before = (text: string, member: string) => text.replace('{', `{${member},`);
    const after = (text: string, member: string) => text.replace(/}$/, `,${member}}`);
    const { exp, aud } = node.forge.claims;
    await expectRefused(node, {
      'sub before': claims(before(body, '"sub":"mallory"')),
      'sub after': claims(after(body, '"sub":"mallory"')),
      'sub, the same': claims(after(body, '"sub":"alice"')),
      'sub in escapes before': claims(before(body, String.raw`"\u0073ub":"mallory"`)),
      'sub in escapes after': claims(after(body, String.raw`"s\u0075\u0062":"mallory"`)),
      'exp before': claims(before(body, '"exp":9999999999')),
      'exp after': claims(after(body, `"exp":${String(exp)}`)),
      aud: claims(after(body, `"aud":${JSON.stringify(aud)}`)),
      iss: claims(before(body, '"iss":"https://evil.test"')),
      'a claim of no standard': claims(after(body, '"a":1,"a":2')),
      'after a text with a brace and a quote': claims(before(body, String.raw`"x":"}\"{","sub":"mallory"`)),
      'alg before': header(before(head, '"alg":"none"')),
      'alg after': header(after(head, '"alg":"ES256"')),
      'alg in escapes': header(before(head, String.raw`"\u0061lg":"none"`)),
      kid: header(before(head, '"kid":"evil"')),
      typ: header(before(head, '"typ":"JWT"')),
    });
    await expectAccepted(node, {
      'a colon and a name in a text': claims(after(body, String.raw`"x":"\"sub\":1"`)),
    });
  });

  test('A20 claims that are no object are refused', async () => {
    const payloads = [
      '[]',
      '"x"',
      'null',
      '1',
      'true',
      '{}',
      `[${node.forge.text()}]`,
      JSON.stringify(node.forge.text()),
    ];
    await expectRefused(node, byTitle(payloads.map((payload) => [title(payload), claims(payload)])));
    await expectRefused(node, { empty: claims(''), space: claims(' '), 'a header of a list': header('[]') });
  });

  test('A14 a token that passed is refused with any one of its characters changed', async () => {
    const token = node.forge.token({ claims: { jti: 'flipped' } });
    await expectAccepted(node, { token });
    const before = node.visits.count;
    const random = fc.sample(fc.nat(62), { numRuns: token.length, seed: 1 });
    for (let start = 0; start < token.length; start += 40) {
      const places = Array.from(token.slice(start, start + 40), (_, at) => start + at);
      const replies = places.map((at) => {
        const others = ALPHABET.replace(token[at]!, '');
        return get(node, token.slice(0, at) + others[random[at]!]! + token.slice(at + 1));
      });
      for (const reply of await Promise.all(replies)) expect(verdictOf(reply)).toEqual(INVALID);
    }
    expect(node.visits.count).toBe(before);
    await expectAccepted(node, { token });
    await expectControl(node);
  });
});
