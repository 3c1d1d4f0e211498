import { randomBytes } from 'node:crypto';
import type { Client } from 'pg';
import { read, write, type Key } from '../../test/support/written-format.js';
import type { Kind } from './stopwatch.js';

/** Kinds that are to look alike, a leak of so many microseconds that is not to go unnoticed, and how many of each. */
export interface Comparand {
  readonly title: string;
  readonly kinds: readonly Kind[];
  readonly leak: number;
}

/** Sessions for each kind that needs some: nothing is asked twice in a row. */
const SESSIONS = 50;
const TOKEN_BYTES = 69;
const TAG_BYTES = 16;

const post = (path: string, body: object) => ({ path, body: JSON.stringify(body) });
const refresh = (token: string) => post('/auth/refresh', { refresh_token: token });

const familiesOf = (tokens: readonly string[]) => tokens.map((token) => read(token).familyId.toString('hex'));
const word = () => randomBytes(4).toString('hex');

/** Asks with each of the tokens in turn. */
function inTurn(name: string, tokens: readonly string[]): Kind {
  let at = 0;
  return { name, ask: () => refresh(tokens[at++ % tokens.length]!) };
}

const bytesOf = (token: string) => Buffer.from(token.slice(4), 'base64url');
const textOf = (bytes: Buffer) => `rt1_${bytes.toString('base64url')}`;

/** A real token, one byte of its tag changed, counted from the tag's beginning. */
function mistagged(token: string, at: number): string {
  const bytes = bytesOf(token);
  bytes[TOKEN_BYTES - TAG_BYTES + at]! ^= 1 + (randomBytes(1)[0]! & 0x7f);
  return textOf(bytes);
}

/** What a node refuses by itself beside what only a row in the database can tell. */
export async function refusedTokens(port: number, database: Client): Promise<Comparand> {
  return {
    title: 'Refresh tokens',
    leak: 500,
    kinds: [...(await refusedAtOnce(port)), ...(await refusedByTheDatabase(port, database))],
  };
}

/** Nothing of it is asked of the database. */
async function refusedAtOnce(port: number): Promise<Kind[]> {
  const [living, ended] = [await login(port, SESSIONS), await login(port, SESSIONS)];
  for (const token of ended) await ask(port, post('/auth/logout', { refresh_token: token }));
  const some = () => living[randomBytes(1)[0]! % living.length]!;
  return [
    {
      name: 'unknown (random bytes)',
      ask: () =>
        refresh(textOf(Buffer.concat([bytesOf(some()).subarray(0, 1), randomBytes(TOKEN_BYTES - 1)]))),
    },
    { name: 'forged (first byte of the tag)', ask: () => refresh(mistagged(some(), 0)) },
    { name: 'forged (last byte of the tag)', ask: () => refresh(mistagged(some(), TAG_BYTES - 1)) },
    inTurn('revoked a moment ago', ended),
  ];
}

/** Tokens with a real tag. */
async function refusedByTheDatabase(port: number, database: Client): Promise<Kind[]> {
  const [deleted, revoked] = [await login(port, SESSIONS), await login(port, SESSIONS)];
  const isOne = 'family_id = any($1::uuid[])';
  await database.query(`delete from refresh_token where ${isOne}`, [familiesOf(deleted)]);
  // Longer ago than this node keeps in memory.
  await database.query(
    `update refresh_token set revoked_at = now() - interval '3 hours', revocation_reason = 'logout' where ${isOne}`,
    [familiesOf(revoked)],
  );
  const { rows } = await database.query<{ material: string }>(
    `select material from demo_development_key where name = 'refresh-token'`,
  );
  const key: Key = { id: 1, secret: rows[0]!.material };
  const living = await login(port, SESSIONS);
  return [
    inTurn('unknown (its family is gone)', deleted),
    inTurn('revoked three hours ago', revoked),
    inTurn(
      'forged (with the key, without a token)',
      living.map((token) => write(key, { ...read(token), root: randomBytes(16) })),
    ),
  ];
}

export function refusedLogins(): Comparand {
  return {
    title: 'Logins',
    leak: 300,
    kinds: [
      { name: 'unknown user', ask: () => post('/auth/login', { username: `u${word()}`, password: word() }) },
      {
        name: 'wrong password',
        ask: () => post('/auth/login', { username: 'alice', password: `x${word()}` }),
      },
    ],
  };
}

async function login(port: number, count: number): Promise<string[]> {
  const tokens: string[] = [];
  for (let done = 0; done < count; done++) {
    const answer = await ask(port, post('/auth/login', { username: 'alice', password: 'wonderland' }));
    tokens.push((answer as { refresh_token: string }).refresh_token);
  }
  return tokens;
}

async function ask(port: number, { path, body }: { path: string; body: string }): Promise<unknown> {
  const headers = { 'content-type': 'application/json' };
  const response = await fetch(`http://127.0.0.1:${port}${path}`, { method: 'POST', headers, body });
  if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
  return response.status === 204 ? null : response.json();
}
