import type { ClientOptions, ResolvedClient, ResourceServerCredentials } from './options.js';
import { isOrigin } from './origin.js';
import type { RefreshTokenKey } from './refresh-token.js';
import { ValueReader } from './value-reader.js';

const MIN_SECRET_BYTES = 32;
const MAX_URL_LENGTH = 2048;
/** What needs no escape in a user-id of HTTP Basic, whoever encodes it: RFC 6749 section 2.3.1. */
const CREDENTIALS_ID = /^[A-Za-z0-9._~-]{1,64}$/;

/** Reads the options that mean something of their own: addresses, secrets, and who knows them. */
export class OptionReader extends ValueReader {
  /** Where a database is, which may name a password; undefined where it is not given. */
  postgresUrl(path: string): string | undefined {
    const value = this.value(path);
    if (value === undefined) return undefined;
    if (
      typeof value === 'string' &&
      value.length <= MAX_URL_LENGTH &&
      /^postgres(?:ql)?:\/\/\S+$/.test(value)
    )
      return value;
    const remedy = `must be a URL that begins with postgres:// or postgresql://, of ${MAX_URL_LENGTH} characters at most`;
    return this.fault(path, remedy, undefined);
  }

  /** Secrets with ids: those of refresh tokens, and those signing keys are sealed under. */
  secrets(path: string): RefreshTokenKey[] {
    const keys = this.list(path) as RefreshTokenKey[];
    const ids = keys.map((key) => key?.id);
    for (const [index, key] of keys.entries()) {
      if (!Number.isInteger(key?.id) || key.id < 0 || key.id > 255) {
        this.fault(`${path}[${index}].id`, 'must be a whole number from 0 to 255', undefined);
      }
      if (!isSecret(key?.secret)) {
        const remedy = `must be ${MIN_SECRET_BYTES} random bytes or more, for example from \`openssl rand -base64 32\``;
        this.fault(`${path}[${index}].secret`, remedy, undefined);
      }
    }
    if (new Set(ids).size < ids.length) this.fault(path, 'must not use an id twice', undefined);
    return keys;
  }

  /** Names with secrets that are sent as text: those of services that authenticate. Empty where none is given. */
  credentials(path: string): ResourceServerCredentials[] {
    const all = this.anyList(path) as ResourceServerCredentials[];
    for (const [index, each] of all.entries()) {
      this.#checkId(`${path}[${index}].id`, each?.id);
      this.#checkSecret(`${path}[${index}].secret`, each?.secret);
    }
    if (new Set(all.map((each) => each?.id)).size < all.length)
      this.fault(path, 'must not use an id twice', undefined);
    return all;
  }

  /** Clients with their secrets, public ones with none. Empty where none is given. */
  clients(path: string): ResolvedClient[] {
    const all = (this.anyList(path) as ClientOptions[]).map((each, index) =>
      this.#client(`${path}[${index}]`, each),
    );
    if (new Set(all.map(({ id }) => id)).size < all.length)
      this.fault(path, 'must not use an id twice', undefined);
    return all;
  }

  /** Serialised origins, RFC 6454 section 6.2. Empty where none is given. */
  origins(path: string): string[] {
    const all = this.anyList(path);
    for (const [index, each] of all.entries()) {
      if (typeof each === 'string' && isOrigin(each)) continue;
      const remedy = "must be an origin such as 'https://app.example.com', without a path or a wildcard";
      this.fault(`${path}[${index}]`, remedy, undefined);
    }
    return [...(all as string[])];
  }

  /** The name of a service among `credentials`; undefined where it is not given. */
  credentialsId(path: string): string | undefined {
    const id = this.value(path);
    return id === undefined ? undefined : this.#checkId(path, id);
  }

  /** The secret that belongs to that name; undefined where it is not given. */
  credentialsSecret(path: string): string | undefined {
    const secret = this.value(path);
    return secret === undefined ? undefined : this.#checkSecret(path, secret);
  }

  /** Neither a secret that says nothing nor a misspelt one must make of a confidential client a public one. */
  #client(path: string, client: ClientOptions): ResolvedClient {
    const group: object = typeof client === 'object' && client !== null ? client : {};
    for (const name of Object.keys(group).filter((each) => each !== 'id' && each !== 'secret')) {
      this.fault(`${path}.${name}`, 'is not an option: remove it, or correct its name', undefined);
    }
    // Of an instance of a class it may be a getter, which no list of keys names.
    if (!('secret' in group)) {
      if (!isClientId(client?.id)) this.fault(`${path}.id`, 'must be 1 to 255 visible ASCII characters', '');
      return { id: client?.id, secrets: [] };
    }
    const { id, secret } = client;
    const secrets: readonly unknown[] = Array.isArray(secret) ? secret : [secret];
    this.#checkId(`${path}.id`, id);
    for (const each of secrets.length === 0 ? [undefined] : secrets)
      this.#checkSecret(`${path}.secret`, each);
    return { id, secrets: secrets as readonly string[] };
  }

  #checkId(path: string, id: unknown): string {
    if (typeof id === 'string' && CREDENTIALS_ID.test(id)) return id;
    return this.fault(path, 'must be 1 to 64 of the characters A-Z a-z 0-9 . _ ~ -', '');
  }

  #checkSecret(path: string, secret: unknown): string {
    if (typeof secret === 'string' && isSecret(secret) && /^[\x21-\x7e]+$/.test(secret)) return secret;
    const remedy = `must be ${MIN_SECRET_BYTES} or more visible ASCII characters, for example from \`openssl rand -base64 32\``;
    return this.fault(path, remedy, '');
  }
}

function isSecret(secret: unknown): boolean {
  if (typeof secret === 'string') return Buffer.byteLength(secret) >= MIN_SECRET_BYTES;
  return secret instanceof Uint8Array && secret.byteLength >= MIN_SECRET_BYTES;
}

/** RFC 6749 appendix A.1. */
function isClientId(id: unknown): boolean {
  return typeof id === 'string' && /^[\x21-\x7e]{1,255}$/.test(id);
}
