import { resolve } from 'node:path';
import ts from 'typescript';

/** An application of somebody strict, which reads our types as they were built. */
const CONSUMER = `
  import {
    createTokenClient,
    memoryStorage,
    TokenClientError,
    webStorage,
    type Session,
    type SessionChange,
    type TokenClient,
    type TokenClientErrorCode,
    type TokenClientOptions,
    type TokenResponse,
    type TokenStorage,
  } from 'token-family-client';
  import { fileStorage, FileStorageError, type FileStorageErrorCode } from 'token-family-client/file';

  class KeyChain implements TokenStorage {
    #text: string | undefined;
    get(): string | undefined {
      return this.#text;
    }
    async set(text: string): Promise<void> {
      this.#text = text;
    }
    remove(): boolean {
      return this.get() !== undefined;
    }
  }
  const storages: TokenStorage[] = [memoryStorage(), webStorage(), webStorage('mine'), fileStorage('f'), new KeyChain()];
  const options: TokenClientOptions = { baseUrl: '', storage: 'cookie', origins: ['https://files.test'] as const };
  export const client: TokenClient = createTokenClient(options);
  createTokenClient({ baseUrl: 'https://api.test', storage: storages[0]!, timeout: 5, patience: 10, fetch });

  export async function use(response: TokenResponse, signal: AbortSignal): Promise<string> {
    await client.setTokens(response);
    const known: Session | null | undefined = client.session;
    const session: Session | null = await client.getSession();
    const scope: string | undefined = session?.scope;
    // Every way to name a request, and a function that can be handed on.
    const send: typeof fetch = client.fetch;
    const answers: Response[] = [
      await send('/me'),
      await send(new URL('https://api.test/me'), { method: 'POST', body: 'text', signal }),
      await send(new Request('https://api.test/me')),
    ];
    const token: string = await client.getAccessToken({ refused: 'a', signal });
    await client.getAccessToken({ signal });
    await client.logout();
    return [known?.sid, scope, token, ...answers.map(({ status }) => status)].join();
  }

  export const end: () => void = client.onSessionChange(({ session, reason }: SessionChange) => {
    switch (reason) {
      case 'login':
      case 'restored':
      case 'logout':
      case 'invalid_grant':
      case 'replaced':
        return session?.sid;
      default: {
        const never: never = reason;
        return never;
      }
    }
  });

  /** Every code is known, so that a switch needs no default. */
  export function textOf(error: unknown): string {
    if (error instanceof FileStorageError) {
      const code: FileStorageErrorCode = error.code;
      return code;
    }
    if (!(error instanceof TokenClientError)) throw error;
    const code: TokenClientErrorCode = error.code;
    switch (code) {
      case 'ERR_NO_SESSION':
        return 'log in';
      case 'ERR_UNAVAILABLE':
        return String((error.retryAfter ?? 0) + 1);
      case 'ERR_REFUSED':
      case 'ERR_STORAGE':
      case 'ERR_DISPOSED':
        return error.message;
    }
  }

  // @ts-expect-error: where is the server?
  createTokenClient({});
  // @ts-expect-error: no such carrier
  createTokenClient({ baseUrl: '', storage: 'sessionStorage' });
  // @ts-expect-error: seconds
  createTokenClient({ baseUrl: '', timeout: '10s' });
  // @ts-expect-error: an unknown option is a mistake
  createTokenClient({ baseUrl: '', timeOut: 10 });
  // @ts-expect-error: nothing writes it
  createTokenClient({ baseUrl: '', storage: { get: () => null, remove: () => {} } });
  // @ts-expect-error: it is for everybody to read
  client.session = null;
  // @ts-expect-error: a login is a body, not a text
  void client.setTokens('{}');
  // @ts-expect-error: a token that says nothing of its lifetime
  void client.setTokens({ access_token: 'a', token_type: 'Bearer', sid: 's', refresh_expires_in: 1 });
  // @ts-expect-error: no such reason
  client.onSessionChange(({ reason }) => reason === 'expired');
  // @ts-expect-error: no such code
  export const isOver = (error: TokenClientError): boolean => error.code === 'ERR_EXPIRED';
  // @ts-expect-error: a token must be waited for
  export const token: string = client.getAccessToken();
  // @ts-expect-error: a file has a path
  fileStorage();
`;

const STRICT: ts.CompilerOptions = {
  strict: true,
  exactOptionalPropertyTypes: true,
  noUncheckedIndexedAccess: true,
  noPropertyAccessFromIndexSignature: true,
  noImplicitReturns: true,
  isolatedModules: true,
  noEmit: true,
  target: ts.ScriptTarget.ES2022,
  module: ts.ModuleKind.NodeNext,
};
const DOM = ['lib.es2022.d.ts', 'lib.dom.d.ts'];
const NODE = ['lib.es2022.d.ts'];

describe.each<[string, ts.CompilerOptions]>([
  ['a page, which knows nothing of Node', { lib: DOM, types: [] }],
  [
    'a page with a bundler',
    {
      lib: DOM,
      types: [],
      module: ts.ModuleKind.ESNext,
      moduleResolution: ts.ModuleResolutionKind.Bundler,
      verbatimModuleSyntax: true,
    },
  ],
  ['Node, which knows nothing of pages', { lib: NODE, types: ['node'] }],
  ['both', { lib: DOM, types: ['node'] }],
])('In %s', (_, changes) => {
  const kinds = changes.verbatimModuleSyntax ? ['mts'] : ['mts', 'cts'];

  test.each(kinds)('a strict application (.%s) compiles, and every wrong use is an error', (kind) => {
    const consumer = resolve(`consumer.${kind}`);
    const options = { ...STRICT, ...changes };
    const host = ts.createCompilerHost(options);
    host.readFile = (path) => (path === consumer ? CONSUMER : ts.sys.readFile(path));
    host.fileExists = (path) => path === consumer || ts.sys.fileExists(path);
    const program = ts.createProgram([consumer], options, host);
    const files = program.getSourceFiles();
    const built = files.filter(({ fileName }) => fileName.includes('/libs/client/dist/'));
    expect(built.length).toBeGreaterThan(5);
    expect(files.filter(({ fileName }) => fileName.includes('/libs/client/src/'))).toEqual([]);
    const faults = [program.getSourceFile(consumer), ...built].flatMap((file) =>
      ts.getPreEmitDiagnostics(program, file),
    );
    expect(faults.map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, ' '))).toEqual([]);
  });
});
