import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

export type Library = typeof import('nestjs-token-family');

const ROOT = new URL('..', import.meta.url);

/**
 * The library as it is published, built first when a source is newer.
 *
 * By its path: under tsx the package's name leads to the sources, from which Nest could inject nothing, as tsx
 * emits no decorator metadata.
 */
export async function loadLibrary(): Promise<Library> {
  const { status } = spawnSync(process.execPath, ['tools/build-if-stale.js'], {
    cwd: fileURLToPath(ROOT),
    stdio: 'inherit',
  });
  if (status !== 0) throw new Error('The build failed');
  return (await import(new URL('libs/auth/dist/esm/index.js', ROOT).href)) as Library;
}
