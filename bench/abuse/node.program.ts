import { randomBytes } from 'node:crypto';
import type { AddressInfo } from 'node:net';
import { NestFactory } from '@nestjs/core';
import type { Pool, PoolClient } from 'pg';
import { DataSource } from 'typeorm';
import { applicationOn } from '../application.js';
import { loadLibrary } from '../library.js';

/** What a node is started with. */
export interface NodeEnvironment {
  readonly url: string;
  /** base64, the same on every node */
  readonly secret: string;
}

/** What a node is asked for, and what it answers. */
export type NodeOrder = { readonly issue: number } | 'statements';
export type NodeMessage =
  { readonly listening: number } | { readonly tokens: string[] } | { readonly statements: number };

/** A node as a process of its own: the library as built, on Express, its refreshes over HTTP. */
const { url, secret } = JSON.parse(process.env['BENCH_NODE']!) as NodeEnvironment;
const library = await loadLibrary();
const app = await NestFactory.create(
  applicationOn(library, url, {
    refreshToken: { keys: [{ id: 1, secret: Buffer.from(secret, 'base64') }] },
    // Every statement there is, is a request's.
    revocation: { pollInterval: '60s', maxStaleness: '1h', listen: false },
    prune: { enabled: false },
    routes: true,
  }),
  { logger: false, abortOnError: false },
);
await app.listen(0, '127.0.0.1');

/** Of requests: what the node reads of revocations by itself, once a minute, is left out. */
let statements = 0;
const counted = new WeakSet<PoolClient>();
const { master } = app.get(DataSource).driver as unknown as { master: Pool };
master.on('acquire', (client) => {
  if (counted.has(client)) return;
  counted.add(client);
  const query = client.query.bind(client) as (...args: unknown[]) => unknown;
  const count = (...args: [{ readonly text?: string }, ...unknown[]]): unknown => {
    if (!args[0].text?.includes('revoked_at >')) statements++;
    return query(...args);
  };
  Object.assign(client, { query: count });
});

const send = (message: NodeMessage): void => void process.send!(message);
process.on('message', (order: NodeOrder) => {
  if (order === 'statements') send({ statements });
  else void issue(order.issue);
});
process.on('disconnect', () => process.exit());
send({ listening: (app.getHttpServer().address() as AddressInfo).port });

async function issue(count: number): Promise<void> {
  const tokens = app.get(library.TokenService);
  const logins = Array.from({ length: count }, () => tokens.issue(randomBytes(8).toString('hex')));
  send({ tokens: (await Promise.all(logins)).map(({ refreshToken }) => refreshToken) });
}
