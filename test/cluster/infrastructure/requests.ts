import { Agent, request } from 'node:http';

/** Open connections are kept: a client that is to see something within a millisecond has no time for handshakes. */
const agent = new Agent({ keepAlive: true });

export interface Reply {
  /** 0 when there was no answer */
  readonly status: number;
  /** parsed JSON, or an empty object */
  readonly body: Readonly<Record<string, unknown>>;
  /** why there was no answer: the error's code, and whether the connection had served other requests before */
  readonly lost?: string;
}

/** One request, with as little around it as can be. Never throws. */
export function ask(
  url: string,
  {
    method = 'GET',
    headers = {},
    json,
  }: { method?: string; headers?: Record<string, string>; json?: unknown } = {},
): Promise<Reply> {
  return new Promise((resolve) => {
    const body = json === undefined ? undefined : JSON.stringify(json);
    const type = body === undefined ? {} : { 'content-type': 'application/json' };
    const sent = request(
      url,
      { method, agent, timeout: 10_000, headers: { ...type, ...headers } },
      (reply) => {
        const chunks: Buffer[] = [];
        reply.on('data', (chunk: Buffer) => chunks.push(chunk));
        reply.on('error', (error) => resolve(lost(error, sent.reusedSocket)));
        reply.on('end', () => resolve({ status: reply.statusCode!, body: parsed(Buffer.concat(chunks)) }));
      },
    );
    sent.on('timeout', () => sent.destroy(Object.assign(new Error(), { code: 'TIMEOUT' })));
    sent.on('error', (error) => resolve(lost(error, sent.reusedSocket)));
    sent.end(body);
  });
}

function lost(error: NodeJS.ErrnoException, isReused: boolean): Reply {
  return {
    status: 0,
    body: {},
    lost: `${error.code ?? error.message}, ${isReused ? 'reused' : 'new'} connection`,
  };
}

function parsed(bytes: Buffer): Reply['body'] {
  try {
    return JSON.parse(bytes.toString()) as Reply['body'];
  } catch {
    return {};
  }
}

export function bearer(accessToken: string): { headers: Record<string, string> } {
  return { headers: { authorization: `Bearer ${accessToken}` } };
}
