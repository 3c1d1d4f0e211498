import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'pg';
import { DataSource } from 'typeorm';
import { startEmbeddedPostgres, type EmbeddedPostgres } from '../../src/database/embedded-postgres.js';
import { withDatabase } from './database-name.js';
import { migrate } from './migrate.js';

declare global {
  var embeddedPostgres: EmbeddedPostgres | undefined;
}

/** One server for the run; a template database with our tables, which every spec file copies for itself. */
export async function startServer(): Promise<void> {
  let url = process.env['DATABASE_URL'];
  if (!url) {
    globalThis.embeddedPostgres = await startEmbeddedPostgres({
      dataDirectory: join(tmpdir(), `token-family-test-${process.pid}`),
      temporary: true,
      // What a crash of the machine would cost is of no interest here; a crash of the server costs nothing.
      settings: { fsync: 'off', max_connections: '300' },
    });
    url = globalThis.embeddedPostgres.url;
  }
  process.env['TEST_SERVER_URL'] = url;
  process.env['TEST_TEMPLATE'] = `token_family_template_${process.pid}`;
  await createTemplate(url, process.env['TEST_TEMPLATE']);
}

async function createTemplate(url: string, name: string): Promise<void> {
  const server = await new DataSource({ type: 'postgres', url, installExtensions: false }).initialize();
  await server.query(`CREATE DATABASE "${name}"`);
  await server.destroy();
  await migrate(withDatabase(url, name));
}

export async function stopServer(): Promise<void> {
  const template = process.env['TEST_TEMPLATE'];
  if (globalThis.embeddedPostgres) return globalThis.embeddedPostgres.release();
  const client = new Client({ connectionString: process.env['TEST_SERVER_URL'] });
  await client.connect();
  await client.query(`DROP DATABASE IF EXISTS "${template}" WITH (FORCE)`);
  await client.end();
}
