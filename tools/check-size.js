import { brotliCompressSync, gzipSync } from 'node:zlib';
import { minify } from '@swc/core';
import { build } from 'esbuild';

/** What a page pays for the client: all of its main door in one file, minified, and compressed as every browser takes it. */
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
const gzip = gzipSync(code, { level: 9 }).length;
const brotli = brotliCompressSync(code).length;
console.log(`token-family-client: ${brotli} bytes with brotli (of ${LIMIT}), ${gzip} with gzip`);
if (brotli >= LIMIT) process.exitCode = 1;
