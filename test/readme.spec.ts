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

test('every code block of README, of the pages behind it and of the client compiles', () => {
  const blocks = [...PAGES, 'libs/client/README.md'].flatMap(blocksOf);
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

describe('the tables of docs/client.md', () => {
  const page = readFileSync('docs/client.md', 'utf8');
  const sourceOf = (file: string): string => readFileSync(`libs/client/src/${file}`, 'utf8');

  /** The first two cells of every row below `## section`, by the name in the first. */
  function tableOf(section: string): Map<string, string> {
    const [, text] = new RegExp(`^## ${section}\n([\\s\\S]*?)(?=^## )`, 'm').exec(page)!;
    return new Map(
      [...text!.matchAll(/^\| `(\w+)` +\| (.*?) *\|/gm)].map(([, name, cell]) => [name!, cell!]),
    );
  }

  /** Of a union of texts, by the name of its type or member. */
  function membersOf(file: string, name: string): string[] {
    const code = sourceOf(file).replace(/\/\*[\s\S]*?\*\//g, '');
    const [, union] = new RegExp(`\\b${name}(?: =|:)([^;]+);`).exec(code)!;
    return [...union!.matchAll(/'(\w+)'/g)].map(([, member]) => member!);
  }

  test('name every option and its default', () => {
    const source = sourceOf('options.ts');
    const [, members] = /interface TokenClientOptions \{([\s\S]*?)\n\}/.exec(source)!;
    const names = [...members!.matchAll(/^ {2}readonly (\w+)\??:/gm)].map(([, name]) => name!);
    const [, defaults] = /const \{ (.*) \} = options;/.exec(source)!;
    const table = tableOf('Options');
    expect([...table.keys()]).toEqual(names);
    const read = [...defaults!.matchAll(/(\w+) = ('\w+'|\d+|\[\])/g)];
    expect(read.length).toBeGreaterThan(3);
    for (const [, name, value] of read) expect([name, table.get(name!)]).toEqual([name, `\`${value}\``]);
  });

  test('name every code and every reason', () => {
    const named = [...tableOf('Errors').keys()];
    const written = [
      ...membersOf('errors.ts', 'TokenClientErrorCode'),
      ...membersOf('file/errors.ts', 'FileStorageErrorCode'),
      ...membersOf('session.ts', 'reason'),
    ];
    expect(written.length).toBeGreaterThan(14);
    expect(named.toSorted()).toEqual(written.toSorted());
  });
});

test.each(['kyWith', 'axiosWith', 'axiosWrapped'])('%s in docs/client.md is what is tested', (name) => {
  const source = readFileSync('test/client/adapters.ts', 'utf8');
  const [text] = new RegExp(`^export function ${name}\\([\\s\\S]*?^\\}$`, 'm').exec(source)!;
  expect(readFileSync('docs/client.md', 'utf8')).toContain(text);
});
