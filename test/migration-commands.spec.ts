import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { createDatabase, type TestDatabase } from './support/database.js';

const run = promisify(execFile);

let database: TestDatabase;
beforeAll(async () => {
  database = await createDatabase({ empty: true });
});
afterAll(() => database.drop());

function migration(command: string, environment: Record<string, string>): Promise<{ stdout: string }> {
  return run('npm', ['run', '--silent', `migration:${command}`], {
    env: { PATH: process.env['PATH']!, ...environment },
  });
}

async function tables(): Promise<string[]> {
  const rows = await database.query<{ tablename: string }>(
    `select tablename from pg_tables where schemaname = 'public' and tablename <> 'migrations' order by 1`,
  );
  return rows.map(({ tablename }) => tablename);
}

test('the commands run, show and revert the migrations', async () => {
  const environment = { DATABASE_URL: database.url };
  await migration('run', environment);
  expect(await tables()).toEqual(['demo_development_key', 'demo_user', 'refresh_token', 'signing_key']);
  expect((await migration('show', environment)).stdout).toMatch(
    /\[X\].*CreateRefreshToken[\s\S]*\[X\].*CreateDemo[\s\S]*\[X\].*CreateSigningKey/,
  );
  for (let migrations = 0; migrations < 3; migrations++) await migration('revert', environment);
  expect(await tables()).toEqual([]);
});

test('without DATABASE_URL a command says what to do', async () => {
  await expect(migration('show', {})).rejects.toThrow(/npm run db/);
});
