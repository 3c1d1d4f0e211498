import type { Answer, AuthServer, Presented } from './auth-server.js';
import { refused, unavailable } from './errors.js';
import { createPause } from './pause.js';
import { later, platform } from './platform.js';
import { attempt } from './storages.js';
import { waitFor } from './wait.js';

/** Tells the server that a session has ended, again and again until it has heard; once, if it is not known which. */
export interface Logout {
  /**
   * @throws {TokenClientError} `ERR_UNAVAILABLE`: the server has not heard within the patience, and is told until it has;
   * `ERR_REFUSED`: it does not understand
   */
  send(presented: Presented): Promise<Answer['kind']>;
  /** The session whose cookie an earlier page could not get rid of; an empty text for one that was not known. */
  unfinished(): string | null;
  /** A new login has replaced the cookie: the next page need not tell of it any more. */
  forget(): void;
  stop(): void;
}

/** @param name under which a page leaves behind that the cookie is still there; null where there is no cookie */
export function createLogout(server: AuthServer, patience: number, name: string | null): Logout {
  // No token is in it. Where there is no Web Storage a reload forgets, and nothing better can be had.
  const key = `${name} logout`;
  const mark = name === null ? undefined : attempt(() => platform.localStorage);
  const end = new AbortController();
  let request = new AbortController();

  async function tell(presented: Presented): Promise<Answer | undefined> {
    const pause = createPause();
    do {
      const answer = await server('logout', presented, request.signal);
      if (answer.kind !== 'unavailable') {
        // The mark may be another logout's by now.
        attempt(() => mark?.getItem(key) === (presented.sid ?? '') && mark.removeItem(key));
        return answer;
      }
      // Later it might be somebody else's session.
      if (!presented.sid) return undefined;
      pause.extend(answer.retryAfter);
      await new Promise<void>((resolve) => later(resolve, pause.remaining()));
    } while (!end.signal.aborted);
    return undefined;
  }

  return {
    async send(presented) {
      attempt(() => mark?.setItem(key, presented.sid ?? ''));
      const answer = await waitFor(tell(presented), patience, end.signal);
      if (answer?.kind === 'refused') throw refused(answer.status);
      if (!answer) throw unavailable();
      return answer.kind;
    },
    unfinished: () => attempt(() => mark?.getItem(key)) ?? null,
    forget() {
      attempt(() => mark?.removeItem(key));
      // Its answer would take the new cookie away. It is told again, with the session's id, which is not that of the cookie.
      request.abort();
      request = new AbortController();
    },
    stop: () => end.abort(),
  };
}
