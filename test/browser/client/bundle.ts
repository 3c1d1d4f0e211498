import { join } from 'node:path';
import { build } from 'esbuild';

const ENTRY = join(__dirname, '../../../libs/client/src/index.ts');

/** token-family-client as a page loads it that has no modules: all of it in the global `tokenFamilyClient`. */
export async function bundleClient(): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [ENTRY],
    bundle: true,
    format: 'iife',
    globalName: 'tokenFamilyClient',
    target: 'es2022',
    write: false,
  });
  return outputFiles[0]!.text;
}
