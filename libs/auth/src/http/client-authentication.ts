import { Inject, Injectable } from '@nestjs/common';
import type { HttpRequest } from '../access/http-request.js';
import { InvalidClientError } from '../core/errors.js';
import { ResolvedOptions } from '../core/options.js';
import {
  readBasicCredentials,
  readClientCredentials,
  refuseOtherSchemes,
  type ClientCredentials,
} from './client-credentials.js';
import type { Fields } from './request-body.js';
import { SecretBook } from './secret-book.js';

/** The application a request comes from: RFC 6749 section 2. */
export interface Client {
  /** its `client_id` */
  readonly id: string;
  /** whether it has proved it by a secret; the id of a public client anybody may use */
  readonly isConfidential: boolean;
}

/** Who asks about tokens: a resource server, a confidential client, or a service that is both. */
export interface Introspector {
  readonly isResourceServer: boolean;
  readonly clientId: string | null;
}

/**
 * Says which client a request comes from, for every route that has to know.
 *
 * Who is refused is challenged where it tried the Authorization header, as RFC 6749 section 5.2 demands, and always where
 * services alone ask. Nobody else is: a browser does not hand its page a 401 that challenges for Basic, but asks the user for
 * a password, and the page waits for that without end [Chromium 156].
 */
@Injectable()
export class ClientAuthentication {
  readonly #clients: SecretBook;
  readonly #resourceServers: SecretBook;
  /** What a request comes with that names no client: RFC 6749 section 6 asks a public one for nothing. */
  readonly #unnamed: ClientCredentials;

  constructor(@Inject(ResolvedOptions) options: ResolvedOptions) {
    this.#unnamed = { id: options.clientId, secret: null, decodedSecret: null, isBasic: false };
    this.#clients = new SecretBook(options.clients);
    this.#resourceServers = new SecretBook(
      options.resourceServers.map(({ id, secret }) => ({ id, secrets: [secret] })),
    );
  }

  /**
   * The client of a login or a refresh; the module's `clientId` where the request names none. An access token beside it
   * names no client, and tries for none.
   *
   * @param fields of the body
   * @throws {InvalidClientError} an unknown client, a confidential one without its secret, a public one with any
   * @throws {InvalidRequestError} two ways of authentication in one request, or two clients
   * @see RFC 6749 sections 2.3 and 6
   */
  identify(request: HttpRequest, fields: Fields): Client {
    const credentials = readClientCredentials(request, fields) ?? this.#unnamed;
    const { id, secret, isBasic } = credentials;
    const isKnown = secret === null ? this.#clients.holdsNoSecretOf(id) : this.#clients.proves(credentials);
    if (!isKnown) throw new InvalidClientError(isBasic);
    return { id, isConfidential: secret !== null };
  }

  /**
   * As `identify`, at an endpoint of OAuth, where an Authorization header that is not Basic is refused, too.
   *
   * @throws {InvalidClientError} as `identify`, and another scheme than Basic
   * @throws {InvalidRequestError} as `identify`
   * @see RFC 6749 section 3.2.1
   */
  authenticate(request: HttpRequest, fields: Fields): Client {
    refuseOtherSchemes(request);
    return this.identify(request, fields);
  }

  /**
   * Who asks about a token. A service that is a resource server and a client by the same id and secret is both.
   *
   * @throws {InvalidClientError} neither, always with a challenge: a public client proves nothing
   * @throws {InvalidRequestError} as `identify`
   * @see RFC 7662 section 2.1
   */
  authenticateIntrospector(request: HttpRequest, fields: Fields): Introspector {
    refuseOtherSchemes(request);
    const credentials = readClientCredentials(request, fields);
    const isResourceServer = credentials !== null && this.#resourceServers.proves(credentials);
    const isClient = credentials !== null && this.#clients.proves(credentials);
    if (!isResourceServer && !isClient) throw new InvalidClientError(true);
    return { isResourceServer, clientId: isClient ? credentials.id : null };
  }

  /** @throws {InvalidClientError} not one of `resourceServers`, by HTTP Basic; always with a challenge */
  authenticateResourceServer(request: HttpRequest): void {
    if (!this.#resourceServers.proves(readBasicCredentials(request))) throw new InvalidClientError(true);
  }
}
