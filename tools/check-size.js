import { brotliCompressSync, gzipSync } from 'node:zlib';
import { minify } from '@swc/core';
import { build } from 'esbuild';

/** What a page pays for the client: all of its main door in one file, minified, and compressed by gzip, the lesser of the two. */
const LIMIT = 5 * 1024;

const { outputFiles } = await build({
  entryPoints: ['libs/client/src/index.ts'],
  bundle: true,
  format: 'esm',
  platform: 'browser',
  target: 'es2022',
  write: false,
});
const { code } = await minify(outputFiles[0].text, { module: true, compress: { passes: 3 }, mangle: true });
const gzip = gzipSync(code, { level: 9 }).length;
const brotli = brotliCompressSync(code).length;
console.log(`token-family-client: ${gzip} bytes with gzip (of ${LIMIT}), ${brotli} with brotli`);
if (gzip >= LIMIT) process.exitCode = 1;
