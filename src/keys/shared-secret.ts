import { randomUUID } from 'node:crypto';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';

/** Where the demo leaves what its second application authenticates with, relative to the working directory. */
export const demoSecretFile = '.data/resource-server-secret';

/** Leaves a secret for other applications of the same user on this machine, and for nobody else. */
export async function leaveSecret(file: string, secret: string): Promise<void> {
  await mkdir(dirname(file), { recursive: true });
  // A file that is there would keep its mode, and whoever reads meanwhile would find half of it, or nothing.
  const made = `${file}.${randomUUID()}`;
  await writeFile(made, secret, { mode: 0o600, flag: 'wx' });
  await rename(made, file);
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
