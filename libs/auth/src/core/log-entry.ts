/** Where `console` and Nest's logger for people look how an object wants to be printed. */
const INSPECT = Symbol.for('nodejs.util.inspect.custom');

/** What would end a line, or move a terminal's cursor, beyond what JSON escapes by itself. */
const UNPRINTABLE = /[\p{Cc}\p{Cf}\u2028\u2029]/gu;

/**
 * What happened, for a log: fields for a logger that writes JSON, one line of JSON for one that writes text. No value
 * of a field can end that line, so nobody forges another one.
 */
export class LogEntry {
  /** @param fields as they are to be named; one that is undefined is left out */
  constructor(fields: Readonly<Record<string, unknown>>) {
    const given = Object.entries(fields).filter(([, value]) => value !== undefined);
    Object.assign(this, Object.fromEntries(given));
  }

  toString(): string {
    return JSON.stringify(this).replace(UNPRINTABLE, escaped);
  }

  [INSPECT](): string {
    return this.toString();
  }
}

function escaped(text: string): string {
  return [...Array(text.length).keys()]
    .map((at) => `\\u${text.charCodeAt(at).toString(16).padStart(4, '0')}`)
    .join('');
}
