import { startEmbeddedPostgres } from './embedded-postgres.js';

/** Where the demo keeps its embedded database, relative to the working directory. */
export const demoDataDirectory = '.data/postgres';

/**
 * Chooses the database: the one `env.DATABASE_URL` names, else an embedded server that is started or joined.
 *
 * @returns its URL, and `stop`, to be awaited when the database is no longer needed: it stops an embedded server
 * that no other process uses, and does nothing to one named by DATABASE_URL
 * @throws {Error} the embedded server cannot run here; the message says what to do
 */
export async function resolveDatabaseUrl(
  env: NodeJS.ProcessEnv,
  { dataDirectory }: { dataDirectory: string },
): Promise<{ url: string; stop: () => Promise<void> }> {
  if (env['DATABASE_URL']) return { url: env['DATABASE_URL'], stop: async () => {} };
  const { url, release } = await startEmbeddedPostgres({ dataDirectory });
  return { url, stop: release };
}
