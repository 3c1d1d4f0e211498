import type { LoggerService } from '@nestjs/common';
import type { Answer } from '../support/http.js';
import type { TestDatabase } from '../support/database.js';
import { secretsOf } from '../model/forge.js';

/** Everything that was said: by Nest loggers of every level, and on both standard streams. */
export class Listener {
  readonly said: string[] = [];
  readonly logger: LoggerService;
  #spies: jest.SpyInstance[] = [];

  constructor() {
    const say = (...message: unknown[]) => void this.said.push(message.map(textOf).join(' '));
    this.logger = { log: say, error: say, warn: say, debug: say, verbose: say, fatal: say };
    for (const method of ['log', 'info', 'warn', 'error', 'debug', 'trace'] as const) {
      this.#spies.push(jest.spyOn(console, method).mockImplementation(say));
    }
    for (const stream of [process.stdout, process.stderr]) {
      const spy = jest.spyOn(stream, 'write').mockImplementation((chunk) => (say(chunk), true));
      this.#spies.push(spy);
    }
  }

  stop(): void {
    for (const spy of this.#spies) spy.mockRestore();
  }
}

/** With what hides in objects: the cause of an error, its detail, its own properties. */
function textOf(value: unknown): string {
  if (typeof value === 'string') return value;
  if (value instanceof Uint8Array) return Buffer.from(value).toString();
  if (!(value instanceof Error)) return JSON.stringify(value) ?? String(value);
  return `${value.stack} ${JSON.stringify(Object.fromEntries(Object.entries(value)))} ${textOf(value.cause ?? '')}`;
}

/** What only a client, or only the server's configuration, may ever hold; each with a name for the report. */
export class Secrets {
  readonly #texts = new Map<string, string>();

  get size(): number {
    return this.#texts.size;
  }

  bytes(name: string, secret: Uint8Array): void {
    for (const form of ['hex', 'base64', 'base64url'] as const) {
      this.text(`${name} in ${form}`, Buffer.from(secret).toString(form).replace(/=+$/, ''));
    }
  }

  /** A text that might also be kept as bytes. */
  key(name: string, secret: string): void {
    this.text(name, secret);
    this.bytes(name, Buffer.from(secret));
  }

  text(name: string, secret: string): void {
    this.#texts.set(secret, name);
  }

  refreshToken(token: string): void {
    // From the root on, a token is secret; any quarter of that gives it away.
    for (const from of [32, 48, 64, 80]) this.text(`part of a refresh token`, token.slice(from, from + 16));
    const { root, step, tag } = secretsOf(token);
    this.bytes('a root', root);
    this.bytes('a step', step);
    this.bytes('a tag', tag);
  }

  accessToken(token: string): void {
    this.text('the signature of an access token', token.split('.')[2]!);
  }

  /** Learns whatever an answer hands out. */
  answer({ headers, body }: Answer): void {
    const cookie = /^__Host-refresh_token=([^.;]+)\.([^;]+)/.exec(headers.get('set-cookie') ?? '');
    if (cookie) {
      this.refreshToken(cookie[1]!);
      this.key('the key of a cookie', cookie[2]!);
    }
    const { refresh_token: refreshToken, access_token: accessToken } = body ?? {};
    if (typeof refreshToken === 'string') this.refreshToken(refreshToken);
    if (typeof accessToken === 'string') this.accessToken(accessToken);
  }

  /** The names of those found in `haystack`, whatever their case. */
  foundIn(haystack: string): string[] {
    const lower = haystack.toLowerCase();
    return [...this.#texts]
      .filter(([secret]) => lower.includes(secret.toLowerCase()))
      .map(([, name]) => name);
  }
}

/** Every column of every table, as text; what is binary in hex and in base64. */
export async function dump(database: TestDatabase): Promise<string> {
  const columns = await database.query<{ relation: string; column: string; type: string }>(
    `select format('%I.%I', table_schema, table_name) as relation, format('%I', column_name) as column,
            data_type as type
     from information_schema.columns where table_schema not in ('pg_catalog', 'information_schema')`,
  );
  const parts: string[] = [];
  for (const { relation, column, type } of columns) {
    const forms =
      type === 'bytea'
        ? ['hex', 'base64'].map((form) => `encode(${column}, '${form}')`)
        : [`${column}::text`];
    for (const form of forms) {
      const sql = `select coalesce(string_agg(${form}, ' '), '') as all from ${relation}`;
      const [row] = await database.query<{ all: string }>(sql);
      parts.push(`${relation}.${column}: ${row!.all}`);
    }
  }
  return parts.join('\n');
}
