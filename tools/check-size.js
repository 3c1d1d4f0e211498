import { gzipSync } from 'node:zlib';
import { minify } from '@swc/core';
import { build } from 'esbuild';

/** What a page pays for the client: all of its main door in one file, minified and compressed. */
const LIMIT = 5_000;

const { outputFiles } = await build({
  entryPoints: ['libs/client/src/index.ts'],
  bundle: true,
  format: 'esm',
  platform: 'browser',
  target: 'es2022',
  write: false,
});
const { code } = await minify(outputFiles[0].text, { module: true, compress: { passes: 3 }, mangle: true });
const { length } = gzipSync(code, { level: 9 });
console.log(`token-family-client: ${length} bytes minified and compressed, of ${LIMIT}`);
if (length >= LIMIT) process.exitCode = 1;
