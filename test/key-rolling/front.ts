import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

/** One address before several nodes, as a load balancer gives it: a node that is down is passed over. */
export async function startFront(
  targets: () => readonly { url: string }[],
): Promise<{ url: string; close(): Promise<void> }> {
  const server = createServer(async (request, response) => {
    for (const { url } of targets()) {
      const { authorization } = request.headers;
      const headers = { ...(authorization !== undefined && { authorization }) };
      const answer = await fetch(`${url}${request.url}`, { headers }).catch(() => null);
      if (!answer) continue;
      const told = [...answer.headers].filter(([name]) =>
        /^(?:etag|content-type|revocations-.*)$/.test(name),
      );
      response.writeHead(answer.status, told.flat()).end(await answer.text());
      return;
    }
    response.writeHead(502).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
