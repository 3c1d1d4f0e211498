import { Injectable } from '@nestjs/common';

/** The access token each open socket has presented. */
@Injectable()
export class SocketSessions {
  readonly #credentials = new WeakMap<object, string>();

  /** Those of a socket that has been accepted; null for any other. */
  credentialsOf(socket: object): string | null {
    return this.#credentials.get(socket) ?? null;
  }
}
