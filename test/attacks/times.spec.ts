import { options } from '../support/node.js';
import { byTitle, each, type Json } from './forge.js';
import { get, onBoth, type Node } from './target.js';
import { EXPIRED, expectAccepted, expectRefused, INVALID, verdictOf } from './verdicts.js';

const TOLERANCE = 5;
const MAX_LIFETIME = 300;

/** A token for each number as it is written, beyond what JSON.stringify would write. */
const written = (
  node: Node,
  name: string,
  numbers: readonly string[],
  more: Json = {},
): Record<string, string> =>
  byTitle(
    numbers.map((number) => {
      const claims = node.forge.text({ ...more, [name]: 0 }).replace(`"${name}":0`, `"${name}":${number}`);
      return [number, node.forge.token({ claims })];
    }),
  );

const now = () => Math.floor(Date.now() / 1000);

onBoth(
  (node) => {
    test('A21 an exp is a number and is there', async () => {
      const values = [
        undefined,
        null,
        '9999999999',
        String(now() + 60),
        true,
        false,
        [],
        {},
        [now() + 60],
        '',
      ];
      await expectRefused(node, each(node.forge, 'exp', values));
    });

    test('A22 an exp is a whole number of a time we could have given', async () => {
      const iat = now() - 10;
      const numbers = [
        '1e400',
        '-1e400',
        '9e15',
        '9007199254740993',
        '1e308',
        '-1',
        '-0',
        '0',
        String(iat),
        String(iat - 1),
      ];
      const beyond = [
        `${iat + MAX_LIFETIME}.5`,
        `${iat + MAX_LIFETIME + 1}`,
        `${iat + 60}.5`,
        `${iat + 60}000`,
      ];
      await expectRefused(node, written(node, 'exp', [...numbers, ...beyond], { iat }));
      await expectAccepted(
        node,
        written(node, 'exp', [`${iat + MAX_LIFETIME}`, `${iat + 60}.0`, `${iat + 60}e0`], { iat }),
      );
    });

    test('A23 nbf and iat are times that have come, and a lifetime is not longer than ours', async () => {
      const future = now() + 60;
      await expectRefused(
        node,
        each(node.forge, 'nbf', [future, String(now()), null, true, [], {}, -1, 1.5]),
      );
      await expectRefused(node, written(node, 'nbf', ['1e400', '9e15']));
      await expectRefused(node, {
        ...each(node.forge, 'iat', [undefined, null, String(now()), -1, true, [], now() - 0.5]),
        ...each(node.forge, 'iat', [future], { exp: future + 60 }),
        'a day': node.forge.token({ claims: { iat: now() - 86_400, exp: now() + 60 } }),
        'for ever': node.forge.token({ claims: { iat: 0 } }),
      });
      await expectRefused(node, written(node, 'iat', ['1e400', '-1e400']));
      await expectAccepted(node, each(node.forge, 'nbf', [now(), 0, undefined]));
    });

    test('A24 the tolerance moves the end to the millisecond, for a token from memory too', async () => {
      const exp = now() + 100;
      const end = (exp + TOLERANCE) * 1000;
      const fresh = (jti: string) => node.forge.token({ claims: { exp, iat: exp - 200, jti } });
      node.clock.at = end - 1;
      const known = fresh('known');
      const { late } = await expectAccepted(node, { known, late: fresh('late') });
      expect(late).toMatchObject({ exp });
      node.clock.at = end;
      for (const token of [known, fresh('unknown'), known]) {
        expect(verdictOf(await get(node, token))).toEqual(EXPIRED);
      }
      node.clock.at = end - TOLERANCE * 1000;
      await expectAccepted(node, { 'at its exp': known });
      // The tolerance is that of the two other times as well.
      const iat = now() + 30;
      const early = node.forge.token({ claims: { iat, exp: iat + 60 } });
      const notBefore = node.forge.token({ claims: { nbf: iat, exp: iat + 60 } });
      node.clock.at = (iat - TOLERANCE) * 1000;
      await expectAccepted(node, { early, notBefore });
      node.clock.at -= 1;
      for (const claims of [
        { iat, exp: iat + 61 },
        { nbf: iat, exp: iat + 61 },
      ]) {
        expect(verdictOf(await get(node, node.forge.token({ claims })))).toEqual(INVALID);
      }
    });

    test('A24 an expired token is told from others alone when everything else is right', async () => {
      const expired = { iat: now() - 200, exp: now() - TOLERANCE - 1 };
      await expectRefused(node, { expired: node.forge.token({ claims: expired }) }, EXPIRED);
      await expectRefused(node, {
        'of another issuer': node.forge.token({ claims: { ...expired, iss: 'https://evil.test' } }),
        'for another audience': node.forge.token({ claims: { ...expired, aud: 'other' } }),
        'of another kind': node.forge.token({ header: { typ: 'JWT' }, claims: expired }),
        'signed by nobody': node.forge.token({ claims: expired, signer: () => Buffer.alloc(64, 1) }),
      });
    });
  },
  { options: options({ clockTolerance: TOLERANCE }) },
);
