import { parseDuration, type Duration } from './lifetime.js';

const MAX_TEXTS_BYTES = 512;

/** Reads options by path, collects faults instead of throwing, and remembers which names were known. */
export class ValueReader {
  readonly #faults: string[] = [];
  readonly #known = new Set<string>();
  /** of groups, each read by its place */
  readonly #lists = new Set<string>();

  constructor(private readonly input: unknown) {}

  text(path: string, fallback?: string): string {
    const value = this.value(path) ?? fallback;
    if (typeof value === 'string' && value.length > 0 && value.length <= 255 && value.trim() === value)
      return value;
    return this.fault(path, 'must be a text of 1 to 255 characters without spaces around it', '');
  }

  texts(path: string): string[] {
    const value = this.value(path);
    const texts: unknown[] = Array.isArray(value) ? value : [value];
    const isList = texts.length > 0 && texts.every((text) => typeof text === 'string' && text.length > 0);
    // They are in every token, which has a limit.
    if (isList && Buffer.byteLength(texts.join('')) <= MAX_TEXTS_BYTES) return [...(texts as string[])];
    return this.fault(path, 'must be a text, or a list of one or more, 512 bytes at most together', []);
  }

  list(path: string): readonly unknown[] {
    const value = this.value(path);
    if (Array.isArray(value) && value.length > 0) return value;
    return this.fault(path, 'must be a list of at least one key', []);
  }

  optionalText(path: string): string | undefined {
    return this.value(path) === undefined ? undefined : this.text(path);
  }

  /** Empty where it is not given. */
  optionalList(path: string): readonly unknown[] {
    return this.value(path) === undefined ? [] : this.list(path);
  }

  /** Empty where it is not given. */
  anyList(path: string): readonly unknown[] {
    const value = this.value(path) ?? [];
    return Array.isArray(value) ? value : this.fault(path, 'must be a list', []);
  }

  /** How many groups of options a list holds, to be read as `path.0`, `path.1` and so on; null where it is not given. */
  count(path: string): number | null {
    const value = this.#at(path);
    if (value === undefined) return null;
    this.#lists.add(path);
    if (Array.isArray(value) && value.length > 0) return value.length;
    this.#known.add(path);
    return this.fault(path, 'must be a list of one or more', null);
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
      ? this.fault(first, remedy, null)
      : this.fault(first, `and ${second} are both given: remove one of them`, second);
  }

  choice<T extends string>(path: string, choices: readonly T[], fallback: T): T {
    const value = this.value(path) ?? fallback;
    if (choices.includes(value as T)) return value as T;
    return this.fault(path, `must be one of ${choices.join(', ')}`, fallback);
  }

  boolean(path: string, fallback: boolean): boolean {
    const value = this.value(path) ?? fallback;
    return typeof value === 'boolean' ? value : this.fault(path, 'must be true or false', fallback);
  }

  number(path: string, fallback: number, min: number, max: number): number {
    const value = this.value(path) ?? fallback;
    if (typeof value === 'number' && value >= min && value <= max) return value;
    return this.fault(path, `must be a number from ${min} to ${max}`, fallback);
  }

  /** @param fallback may lie outside, and may be given, too */
  wholeNumber(path: string, fallback: number, min: number, max: number): number {
    const value = this.value(path) ?? fallback;
    if (value === fallback) return fallback;
    if (Number.isSafeInteger(value) && Number(value) >= min && Number(value) <= max) return Number(value);
    return this.fault(path, `must be a whole number from ${min} to ${max}, or ${fallback}`, fallback);
  }

  /** Seconds. */
  duration(path: string, fallback: Duration, min: number, max: number): number {
    const seconds = parseDuration(this.value(path) ?? fallback);
    if (seconds !== null && seconds >= min && seconds <= max) return seconds;
    return this.fault(
      path,
      `must be a duration from ${min} s to ${max} s: a number of seconds, or a text such as '10s', '5m', '30d'`,
      parseDuration(fallback)!,
    );
  }

  function(path: string): unknown {
    const value = this.value(path);
    if (value === undefined || typeof value === 'function') return value;
    return this.fault(path, 'must be a function', undefined);
  }

  faults(): string[] {
    return [...this.#faults, ...this.#unknownNames('', this.input)];
  }

  protected value(path: string): unknown {
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

  protected fault<T>(path: string, remedy: string, standIn: T): T {
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
