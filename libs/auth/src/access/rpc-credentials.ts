import { InvalidCredentialsError } from '../core/errors.js';
import { carriesBearerToken, credentialsWith } from './bearer.js';

/** What the transports with headers have in common: gRPC metadata and NATS headers answer `get`. */
interface Metadata {
  /** gRPC: all of that name; NATS: the first */
  get(name: string): unknown;
  /** NATS: all of that name */
  values?(name: string): unknown;
}

const NAME = 'authorization';

/**
 * The credentials of a message; null when there are none.
 *
 * Where a transport has headers (gRPC metadata, NATS), they are those of `authorization`. TCP, Redis and others have
 * none that Nest could fill: there it is the member `access_token` of the payload. For another convention, override
 * `AccessGuard.getCredentials`.
 *
 * @throws {InvalidCredentialsError} a token was sent twice, whichever way: two parties could each believe another one
 * @see RFC 6750 section 2
 */
export function readRpcCredentials(data: unknown, context: unknown): string | null {
  const credentials = [...inMetadata(metadataOf(context)), ...inPayload(data)];
  if (credentials.length > 1) {
    throw new InvalidCredentialsError('ERR_TOKEN_SENT_TWICE', 'The access token was sent more than once');
  }
  return credentials[0] ?? null;
}

function inMetadata(metadata: Metadata | undefined): string[] {
  return [metadata?.values?.(NAME) ?? metadata?.get(NAME)].flat().filter(isBearer);
}

function inPayload(data: unknown): string[] {
  if (typeof data !== 'object' || data === null || !Object.hasOwn(data, 'access_token')) return [];
  const token = (data as { access_token: unknown }).access_token;
  return typeof token === 'string' && token !== '' ? [credentialsWith(token)] : [];
}

function isBearer(value: unknown): value is string {
  return typeof value === 'string' && carriesBearerToken({ headers: { [NAME]: value } });
}

function metadataOf(context: unknown): Metadata | undefined {
  const headers = (context as { getHeaders?: () => unknown } | undefined)?.getHeaders?.();
  return [context, headers].find(
    (each): each is Metadata => typeof (each as Metadata | undefined)?.get === 'function',
  );
}
