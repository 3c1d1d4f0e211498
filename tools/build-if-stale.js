import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/*
 * Builds the libraries and the demo when a source is newer than the last build; otherwise costs milliseconds.
 */
const STAMP = 'dist/.built';
const SOURCES = [
  'src',
  'libs/auth/src',
  'libs/client/src',
  'ormconfig.ts',
  'package-lock.json',
  'tsconfig.base.json',
  'tsconfig.build.json',
];
const OUTPUTS = ['dist/src/main.js', 'libs/auth/dist/esm/index.js', 'libs/client/dist/esm/index.js'];

function newest(path) {
  const stats = statSync(path);
  if (!stats.isDirectory()) return stats.mtimeMs;
  return Math.max(stats.mtimeMs, ...readdirSync(path).map((name) => newest(join(path, name))));
}

const isFresh =
  [STAMP, ...OUTPUTS].every((path) => existsSync(path)) &&
  Math.max(...SOURCES.map(newest)) <= statSync(STAMP).mtimeMs;
if (!isFresh) {
  const startedAt = new Date();
  const { status } = spawnSync('npm', ['run', '--silent', 'build'], {
    stdio: 'inherit',
    shell: process.platform === 'win32',
  });
  if (status !== 0) process.exit(status ?? 1);
  writeFileSync(STAMP, startedAt.toISOString());
}
