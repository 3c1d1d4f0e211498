import { parseDuration, type Duration } from './lifetime.js';
import type { ClientOptions, ResolvedClient, ResourceServerCredentials } from './options.js';
import type { RefreshTokenKey } from './refresh-token.js';

const MIN_SECRET_BYTES = 32;
const MAX_TEXTS_BYTES = 512;
const MAX_URL_LENGTH = 2048;
/** What needs no escape in a user-id of HTTP Basic, whoever encodes it: RFC 6749 section 2.3.1. */
const CREDENTIALS_ID = /^[A-Za-z0-9._~-]{1,64}$/;

/** Reads options by path, collects faults instead of throwing, and remembers which names were known. */
export class OptionReader {
  readonly #faults: string[] = [];
  readonly #known = new Set<string>();
  /** of groups, each read by its place */
  readonly #lists = new Set<string>();

  constructor(private readonly input: unknown) {}

  text(path: string, fallback?: string): string {
    const value = this.#value(path) ?? fallback;
    if (typeof value === 'string' && value.length > 0 && value.length <= 255 && value.trim() === value)
      return value;
    return this.#fault(path, 'must be a text of 1 to 255 characters without spaces around it', '');
  }

  texts(path: string): string[] {
    const value = this.#value(path);
    const texts: unknown[] = Array.isArray(value) ? value : [value];
    const isList = texts.length > 0 && texts.every((text) => typeof text === 'string' && text.length > 0);
    // They are in every token, which has a limit.
    if (isList && Buffer.byteLength(texts.join('')) <= MAX_TEXTS_BYTES) return [...(texts as string[])];
    return this.#fault(path, 'must be a text, or a list of one or more, 512 bytes at most together', []);
  }

  list(path: string): readonly unknown[] {
    const value = this.#value(path);
    if (Array.isArray(value) && value.length > 0) return value;
    return this.#fault(path, 'must be a list of at least one key', []);
  }

  optionalText(path: string): string | undefined {
    return this.#value(path) === undefined ? undefined : this.text(path);
  }

  /** Where a database is, which may name a password; undefined where it is not given. */
  postgresUrl(path: string): string | undefined {
    const value = this.#value(path);
    if (value === undefined) return undefined;
    if (
      typeof value === 'string' &&
      value.length <= MAX_URL_LENGTH &&
      /^postgres(?:ql)?:\/\/\S+$/.test(value)
    )
      return value;
    const remedy = `must be a URL that begins with postgres:// or postgresql://, of ${MAX_URL_LENGTH} characters at most`;
    return this.#fault(path, remedy, undefined);
  }

  /** Empty where it is not given. */
  optionalList(path: string): readonly unknown[] {
    return this.#value(path) === undefined ? [] : this.list(path);
  }

  /** How many groups of options a list holds, to be read as `path.0`, `path.1` and so on; null where it is not given. */
  count(path: string): number | null {
    const value = this.#at(path);
    if (value === undefined) return null;
    this.#lists.add(path);
    if (Array.isArray(value) && value.length > 0) return value.length;
    this.#known.add(path);
    return this.#fault(path, 'must be a list of one or more', null);
  }

  /**
   * Which of two options is given: one of them must be, and not both.
   *
   * @param remedy when neither is
   */
  either<T extends string>(first: T, second: T, remedy: string): T | null {
    this.#known.add(first);
    const given = [first, second].filter((path) => this.#at(path) != null);
    if (given.length === 1) return given[0]!;
    return given.length === 0
      ? this.#fault(first, remedy, null)
      : this.#fault(first, `and ${second} are both given: remove one of them`, second);
  }

  choice<T extends string>(path: string, choices: readonly T[], fallback: T): T {
    const value = this.#value(path) ?? fallback;
    if (choices.includes(value as T)) return value as T;
    return this.#fault(path, `must be one of ${choices.join(', ')}`, fallback);
  }

  boolean(path: string, fallback: boolean): boolean {
    const value = this.#value(path) ?? fallback;
    return typeof value === 'boolean' ? value : this.#fault(path, 'must be true or false', fallback);
  }

  number(path: string, fallback: number, min: number, max: number): number {
    const value = this.#value(path) ?? fallback;
    if (typeof value === 'number' && value >= min && value <= max) return value;
    return this.#fault(path, `must be a number from ${min} to ${max}`, fallback);
  }

  /** @param fallback may lie outside, and may be given, too */
  wholeNumber(path: string, fallback: number, min: number, max: number): number {
    const value = this.#value(path) ?? fallback;
    if (value === fallback) return fallback;
    if (Number.isSafeInteger(value) && Number(value) >= min && Number(value) <= max) return Number(value);
    return this.#fault(path, `must be a whole number from ${min} to ${max}, or ${fallback}`, fallback);
  }

  /** Seconds. */
  duration(path: string, fallback: Duration, min: number, max: number): number {
    const seconds = parseDuration(this.#value(path) ?? fallback);
    if (seconds !== null && seconds >= min && seconds <= max) return seconds;
    return this.#fault(
      path,
      `must be a duration from ${min} s to ${max} s: a number of seconds, or a text such as '10s', '5m', '30d'`,
      parseDuration(fallback)!,
    );
  }

  function(path: string): unknown {
    const value = this.#value(path);
    if (value === undefined || typeof value === 'function') return value;
    return this.#fault(path, 'must be a function', undefined);
  }

  /** Secrets with ids: those of refresh tokens, and those signing keys are sealed under. */
  secrets(path: string): RefreshTokenKey[] {
    const keys = this.list(path) as RefreshTokenKey[];
    const ids = keys.map((key) => key?.id);
    for (const [index, key] of keys.entries()) {
      if (!Number.isInteger(key?.id) || key.id < 0 || key.id > 255) {
        this.#fault(`${path}[${index}].id`, 'must be a whole number from 0 to 255', undefined);
      }
      if (!isSecret(key?.secret)) {
        const remedy = `must be ${MIN_SECRET_BYTES} random bytes or more, for example from \`openssl rand -base64 32\``;
        this.#fault(`${path}[${index}].secret`, remedy, undefined);
      }
    }
    if (new Set(ids).size < ids.length) this.#fault(path, 'must not use an id twice', undefined);
    return keys;
  }

  /** Names with secrets that are sent as text: those of services that authenticate. Empty where none is given. */
  credentials(path: string): ResourceServerCredentials[] {
    const all = this.optionalList(path) as ResourceServerCredentials[];
    for (const [index, each] of all.entries()) {
      this.#checkId(`${path}[${index}].id`, each?.id);
      this.#checkSecret(`${path}[${index}].secret`, each?.secret);
    }
    if (new Set(all.map((each) => each?.id)).size < all.length)
      this.#fault(path, 'must not use an id twice', undefined);
    return all;
  }

  /** Clients with their secrets, public ones with none. Empty where none is given. */
  clients(path: string): ResolvedClient[] {
    const all = (this.optionalList(path) as ClientOptions[]).map((each, index) => {
      const at = `${path}[${index}]`;
      const secrets = [each?.secret ?? []].flat();
      if (secrets.length > 0) this.#checkId(`${at}.id`, each?.id);
      else if (!isClientId(each?.id))
        this.#fault(`${at}.id`, 'must be 1 to 255 visible ASCII characters', '');
      for (const secret of secrets) this.#checkSecret(`${at}.secret`, secret);
      return { id: each?.id, secrets };
    });
    if (new Set(all.map(({ id }) => id)).size < all.length)
      this.#fault(path, 'must not use an id twice', undefined);
    return all;
  }

  /** Serialised origins, RFC 6454 section 6.2. Empty where none is given. */
  origins(path: string): string[] {
    const all = this.optionalList(path);
    for (const [index, each] of all.entries()) {
      if (typeof each === 'string' && isOrigin(each)) continue;
      const remedy = "must be an origin such as 'https://app.example.com', without a path or a wildcard";
      this.#fault(`${path}[${index}]`, remedy, undefined);
    }
    return [...(all as string[])];
  }

  /** The name of a service among `credentials`; undefined where it is not given. */
  credentialsId(path: string): string | undefined {
    const id = this.#value(path);
    return id === undefined ? undefined : this.#checkId(path, id);
  }

  /** The secret that belongs to that name; undefined where it is not given. */
  credentialsSecret(path: string): string | undefined {
    const secret = this.#value(path);
    return secret === undefined ? undefined : this.#checkSecret(path, secret);
  }

  faults(): string[] {
    return [...this.#faults, ...this.#unknownNames('', this.input)];
  }

  #checkId(path: string, id: unknown): string {
    if (typeof id === 'string' && CREDENTIALS_ID.test(id)) return id;
    return this.#fault(path, 'must be 1 to 64 of the characters A-Z a-z 0-9 . _ ~ -', '');
  }

  #checkSecret(path: string, secret: unknown): string {
    if (typeof secret === 'string' && isSecret(secret) && /^[\x21-\x7e]+$/.test(secret)) return secret;
    const remedy = `must be ${MIN_SECRET_BYTES} or more visible ASCII characters, for example from \`openssl rand -base64 32\``;
    return this.#fault(path, remedy, '');
  }

  #value(path: string): unknown {
    this.#known.add(path);
    return this.#at(path);
  }

  #at(path: string): unknown {
    let value: unknown = this.input;
    for (const name of path.split('.')) {
      if (typeof value !== 'object' || value === null) return undefined;
      value = (value as Record<string, unknown>)[name];
    }
    return value;
  }

  #fault<T>(path: string, remedy: string, standIn: T): T {
    this.#faults.push(`${path} ${remedy}`);
    return standIn;
  }

  /** A misspelt option would else silently leave its default in force. */
  #unknownNames(prefix: string, group: unknown): string[] {
    if (typeof group !== 'object' || group === null) return [];
    return Object.entries(group).flatMap(([name, value]) => {
      const path = prefix + name;
      if (this.#known.has(path)) return [];
      if ([...this.#known].some((known) => known.startsWith(`${path}.`))) {
        return isGroup(value) || this.#lists.has(path)
          ? this.#unknownNames(`${path}.`, value)
          : [`${path} must be an object of options`];
      }
      return [`${path} is not an option: remove it, or correct its name`];
    });
  }
}

/** Anything else would leave every default of the group in force, as silently as a misspelt name. */
function isGroup(value: unknown): boolean {
  return value === undefined || value === null || (typeof value === 'object' && !Array.isArray(value));
}

function isSecret(secret: unknown): boolean {
  if (typeof secret === 'string') return Buffer.byteLength(secret) >= MIN_SECRET_BYTES;
  return secret instanceof Uint8Array && secret.byteLength >= MIN_SECRET_BYTES;
}

/** RFC 6749 appendix A.1. */
function isClientId(id: unknown): boolean {
  return typeof id === 'string' && /^[\x21-\x7e]{1,255}$/.test(id);
}

/** As a browser writes it: `null`, which any sandboxed page is, and what is not of the web are none. */
function isOrigin(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { origin, protocol } = new URL(text);
  return origin === text && /^https?:$/.test(protocol) && !text.includes('*');
}
