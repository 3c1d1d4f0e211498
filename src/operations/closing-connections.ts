import type { Server, ServerResponse } from 'node:http';

/**
 * Lets every answer close its connection once `server` has stopped listening.
 *
 * Without it a client that keeps its connection busy keeps the process from ending for as long as it likes, and an idle
 * one for the keep-alive time-out: 5 s with Express, 72 s with Fastify. No answer is cut off, and no request is lost: a
 * client that reads `Connection: close` sends its next one elsewhere. An answer whose head is out already keeps its
 * keep-alive, and a stream lasts for as long as it lasts.
 */
export function closeConnectionsWhenStopped(server: Server): void {
  server.prependListener('request', (_request, response: ServerResponse) => {
    const writeHead = response.writeHead.bind(response) as (...args: unknown[]) => ServerResponse;
    // At the last moment before an answer leaves: the server may have been told to stop while it was made.
    response.writeHead = (...args: unknown[]) => {
      if (!server.listening) response.setHeader('Connection', 'close');
      return writeHead(...args);
    };
  });
}
