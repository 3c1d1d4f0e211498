import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';

/** Where the demo leaves what its second application authenticates with, relative to the working directory. */
export const demoSecretFile = '.data/resource-server-secret';

/** Leaves a secret for other applications of the same user on this machine, and for nobody else. */
export async function leaveSecret(file: string, secret: string): Promise<void> {
  await mkdir(dirname(file), { recursive: true });
  // A file that is there keeps its mode, and whoever has it open reads what is written.
  await rm(file, { force: true });
  await writeFile(file, secret, { mode: 0o600, flag: 'wx' });
}

/** The secret that was left there; undefined where there is none. */
export async function findSecret(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
