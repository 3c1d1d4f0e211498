import { readdirSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import ts from 'typescript';

const NO_DEFAULT: unknown = expect.stringMatching(/^(required)?$/);
const CONFIG = resolve('tsconfig.json');

/** Type-checks texts as if they were files of this repository. */
function diagnose(blocks: readonly string[]): string[] {
  const { config } = ts.readConfigFile(CONFIG, (path) => ts.sys.readFile(path)) as { config: object };
  const { options } = ts.parseJsonConfigFileContent(config, ts.sys, resolve('.'));
  const files = new Map(blocks.map((text, index) => [resolve(`README.block-${index + 1}.ts`), text]));
  const host = ts.createCompilerHost(options);
  host.readFile = (path) => files.get(path) ?? ts.sys.readFile(path);
  host.fileExists = (path) => files.has(path) || ts.sys.fileExists(path);
  const program = ts.createProgram(
    [...files.keys()],
    { ...options, exactOptionalPropertyTypes: false },
    host,
  );
  return [...files.keys()]
    .flatMap((path) => ts.getPreEmitDiagnostics(program, program.getSourceFile(path)))
    .map(
      ({ file, messageText }) => `${file?.fileName}: ${ts.flattenDiagnosticMessageText(messageText, '\n')}`,
    );
}

function blocksOf(path: string): string[] {
  return [...readFileSync(path, 'utf8').matchAll(/^```ts\n([\s\S]*?)^```$/gm)].map(([, text]) => text!);
}

const PAGES = ['README.md', ...readdirSync('docs').map((name) => `docs/${name}`)];

test('every code block of README and of the pages behind it compiles', () => {
  const blocks = PAGES.flatMap(blocksOf);
  expect(blocks.length).toBeGreaterThan(8);
  expect(diagnose(blocks)).toEqual([]);
});

test('every page is linked from README', () => {
  const readme = readFileSync('README.md', 'utf8');
  expect(PAGES.slice(1).filter((path) => !readme.includes(`](${path})`))).toEqual([]);
});

test('a block that does not compile is found', () => {
  expect(
    diagnose(["import { Nothing } from 'nestjs-token-family';\nexport const nothing = Nothing;"]),
  ).toEqual([expect.stringContaining('Nothing')]);
});

test.each([
  ['README.md', 'resolve-options.ts', 15],
  ['docs/resource-server.md', 'resource-server-options.ts', 10],
])('the table of options in %s names every option and its default', (page, file, atLeast) => {
  const rows = [...readFileSync(page, 'utf8').matchAll(/^\| `([\w.]+)` +\| (.*?) *\|/gm)];
  const table = new Map(rows.map(([, name, value]) => [name!, value!.replace(/`/g, '').trim()]));
  const source = readFileSync(`libs/auth/src/core/${file}`, 'utf8');
  const read = [
    ...source.matchAll(/read\.\w+\([`'](?:\$\{prefix\})?([\w.]+)[`'](?:, \[[^\]]*\])?(?:, ('?[\w.]+'?))?/g),
  ];
  expect(read.length).toBeGreaterThan(atLeast);
  for (const [, name, value] of read) expect([name, table.get(name!)]).toEqual([name, value ?? NO_DEFAULT]);
});
