import { createTokenClient, TokenClientError, type TokenResponse } from 'token-family-client';
import { fileStorage } from 'token-family-client/file';

/*
 * A command-line tool as somebody would write it: each run makes a client on the same file, does one thing, and ends of
 * itself.
 */

export type Order = {
  readonly baseUrl: string;
  readonly path: string;
} & (
  | { readonly what: 'login'; readonly response: TokenResponse }
  /** says who it is; `again`: once more when it is told to go on */
  | { readonly what: 'whoami'; readonly again?: boolean }
  | { readonly what: 'logout' }
);

const order = JSON.parse(process.argv[2]!) as Order;
const say = (message: object): void => void process.send!(message);
const client = createTokenClient({
  baseUrl: order.baseUrl,
  storage: fileStorage(order.path),
  // A machine that is busy with tests must not look like a server that is out of reach.
  timeout: 60,
  patience: 120,
});

async function whoAmI(): Promise<object> {
  try {
    const response = await client.fetch('/me');
    return { status: response.status, ...((await response.json()) as object) };
  } catch (error) {
    return { code: (error as TokenClientError).code };
  }
}

switch (order.what) {
  case 'login':
    await client.setTokens(order.response);
    break;
  case 'whoami':
    say(await whoAmI());
    if (order.again !== true) break;
    await new Promise((resolve) => process.once('message', resolve));
    say(await whoAmI());
    process.disconnect();
    break;
  case 'logout':
    await client.logout();
}
