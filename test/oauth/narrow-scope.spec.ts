import * as fc from 'fast-check';
import { decodeJwt } from 'jose';
import type { InvalidScopeError, TokenPair } from 'nestjs-token-family';
import { narrowScope } from '../../libs/auth/src/core/scope.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { options, startNode, type TestNode } from '../support/node.js';

const WORDS = ['read', 'write', 'read:all', 'Read', 'a'];
const word = fc.constantFrom(...WORDS);
const granted = fc.uniqueArray(word, { minLength: 1 });
const foreign = fc.string().filter((text) => text !== '' && !text.includes(' ') && !WORDS.includes(text));

test('what is within the grant is narrowed to exactly that, in whatever order and however often', () => {
  fc.assert(
    fc.property(granted, fc.array(word, { minLength: 1 }), (grant, wanted) => {
      const within = wanted.filter((each) => grant.includes(each));
      fc.pre(within.length > 0);
      const narrowed = narrowScope(grant.join(' '), within.join(' '))!.split(' ');
      expect(narrowed.toSorted()).toEqual([...new Set(within)].toSorted());
    }),
  );
});

test('one word that was not granted, or is none, refuses all of it', () => {
  fc.assert(
    fc.property(
      granted,
      fc.array(word),
      fc.oneof(foreign, fc.constant('')),
      fc.nat(),
      (grant, wanted, odd, at) => {
        const words = wanted.filter((each) => grant.includes(each));
        words.splice(at % (words.length + 1), 0, odd);
        expect(narrowScope(grant.join(' '), words.join(' '))).toBeNull();
        expect(narrowScope(null, words.join(' '))).toBeNull();
      },
    ),
  );
});

/** Of the access token, which are those of the answer. */
function wordsIn({ accessToken, scope }: TokenPair): string[] {
  expect(decodeJwt(accessToken)['scope']).toBe(scope);
  return scope!.split(' ').toSorted();
}

describe('on a node', () => {
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

  test('no access token of a chain of refreshes has more than the login granted, nor more than was asked for, and the grant stays', async () => {
    const asked = fc.option(fc.array(fc.oneof({ weight: 5, arbitrary: word }, foreign), { minLength: 1 }));
    await fc.assert(
      fc.asyncProperty(granted, fc.array(asked, { minLength: 1, maxLength: 6 }), async (grant, chain) => {
        const { sid, refreshToken } = await node.tokens.issue('alice', { scope: grant.join(' ') });
        let current = refreshToken;
        for (const wanted of chain) {
          const scope = wanted?.join(' ');
          const isWithin = wanted === null || wanted.every((each) => grant.includes(each));
          const outcome = await node.tokens
            .rotate(current, scope === undefined ? {} : { scope })
            .catch((error: InvalidScopeError) => error.error);
          const words = isWithin ? [...new Set(wanted ?? grant)].toSorted() : 'invalid_scope';
          expect(typeof outcome === 'string' ? outcome : wordsIn(outcome)).toEqual(words);
          if (typeof outcome !== 'string') current = outcome.refreshToken;
        }
        const sql = 'select scope from refresh_token where family_id = $1 and revoked_at is null';
        expect(await database.query(sql, [sid])).toEqual([{ scope: grant.join(' ') }]);
      }),
      { numRuns: 40 },
    );
  });
});

test('with a claims provider a wrong scope asks nobody, and a good one is narrowed as without', async () => {
  const database = await createDatabase();
  let asked = 0;
  const claims = () => ({ asked: ++asked });
  const node = await startNode({ url: database.url, options: options({ claims }) });
  try {
    const { refreshToken } = await node.tokens.issue('alice', { scope: 'read write' });
    expect(asked).toBe(1);
    await expect(node.tokens.rotate(refreshToken, { scope: 'admin' })).rejects.toThrow('scope');
    await expect(node.tokens.rotate(refreshToken, { scope: '' })).rejects.toThrow('scope');
    expect(asked).toBe(1);
    const { accessToken } = await node.tokens.rotate(refreshToken, { scope: 'write' });
    expect(decodeJwt(accessToken)).toMatchObject({ scope: 'write', asked: 2 });
  } finally {
    await node.close();
    await database.drop();
  }
});
