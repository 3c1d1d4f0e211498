import { demoDataDirectory } from './database-url.js';
import { startEmbeddedPostgres } from './embedded-postgres.js';

/** `npm run db`: the demo's database in the foreground, for a psql or a second node to use. */
const { url, release } = await startEmbeddedPostgres({ dataDirectory: demoDataDirectory });
console.log(`DATABASE_URL=${url}`);
console.log('Ctrl-C stops it, unless another process still uses it.');

// The watchdog's pipe does not keep a process alive.
const foreground = setInterval(() => {}, 2 ** 30);
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    clearInterval(foreground);
    release().catch((error: unknown) => {
      console.error(error);
      process.exitCode = 1;
    });
  });
}
