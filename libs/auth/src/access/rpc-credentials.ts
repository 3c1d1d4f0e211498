import { carriesBearerToken, credentialsWith } from './bearer.js';

/** What the transports with headers have in common: gRPC metadata and NATS headers answer `get`. */
interface Metadata {
  get(name: string): unknown;
}

const NAME = 'authorization';

/**
 * The credentials of a message; null when there are none.
 *
 * Where a transport has headers (gRPC metadata, NATS), they are those of `authorization`. TCP, Redis and others have
 * none that Nest could fill: there it is the member `access_token` of the payload. For another convention, override
 * `AccessGuard.getCredentials`.
 */
export function readRpcCredentials(data: unknown, context: unknown): string | null {
  const credentials = [metadataOf(context)?.get(NAME)].flat().find(isBearer);
  if (credentials !== undefined) return credentials;
  const token =
    typeof data === 'object' && data !== null && Object.hasOwn(data, 'access_token')
      ? (data as { access_token: unknown }).access_token
      : undefined;
  return typeof token === 'string' && token !== '' ? credentialsWith(token) : null;
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
