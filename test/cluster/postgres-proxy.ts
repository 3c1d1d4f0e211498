import { Proxy, type Direction, type Link } from './proxy.js';

/** When a statement is caught: before PostgreSQL has seen it, or when PostgreSQL has carried it out and says so. */
export type Moment = 'sent' | 'answered';

interface Trap {
  /** how a statement's name begins, or its text when it has no name */
  readonly statement: string;
  readonly moment: Moment;
  /** whether the connection is reset; else the answer is lost and the connection stays */
  readonly resets: boolean;
  readonly sprung: () => void;
}

const NOTIFICATION = 'A';
const READY_FOR_QUERY = 'Z';

/**
 * The way to PostgreSQL, as a proxy that knows where messages of the protocol begin and end, and so can strike at an
 * exact moment.
 *
 * A statement's answer is caught as a whole, and only when ReadyForQuery has come: by then it is committed.
 */
export class PostgresProxy {
  readonly #traps: Trap[] = [];
  #swallow: { readonly containing: string; readonly done: () => void }[] = [];
  /** notifications heard while they are repeated; null when they are not */
  #repeated: Buffer[] | null = null;

  private constructor(private readonly proxy: () => Proxy) {}

  static async listen(target: () => number): Promise<PostgresProxy> {
    let proxy: Proxy;
    const self = new PostgresProxy(() => proxy);
    proxy = await Proxy.listen(target, (link) => self.#inspector(link));
    return self;
  }

  /** its switches */
  get tcp(): Proxy {
    return this.proxy();
  }

  /** Resets the connection at that moment of the next such statement. @returns when it has happened */
  resetAt(statement: string, moment: Moment): Promise<void> {
    return this.#trap(statement, moment, true);
  }

  /** Loses the answer to the next such statement. @returns when PostgreSQL has given it */
  loseAnswerTo(statement: string): Promise<void> {
    return this.#trap(statement, 'answered', false);
  }

  /** Loses the next notification that contains this text. @returns when it has come */
  swallowNotification(containing = ''): Promise<void> {
    return new Promise((done) => void this.#swallow.push({ containing, done }));
  }

  /** From now on every notification comes twice, and after it all that came before, the latest first. */
  repeatNotifications(): void {
    this.#repeated = [];
  }

  /** how many notifications have been repeated */
  get repeated(): number {
    return this.#repeated?.length ?? 0;
  }

  heal(): void {
    this.#repeated = null;
    this.#traps.length = 0;
    this.#swallow = [];
    this.tcp.heal();
  }

  #trap(statement: string, moment: Moment, resets: boolean): Promise<void> {
    return new Promise((sprung) => void this.#traps.push({ statement, moment, resets, sprung }));
  }

  #inspector(link: Link): (direction: Direction, chunk: Buffer) => Buffer[] {
    const frames = { up: new Frames(true), down: new Frames(false) };
    /** whose answer is being lost */
    let caught: Trap | undefined;
    let over = false;
    const spring = (trap: Trap): void => {
      over = trap.resets;
      if (trap.resets) link.reset();
      trap.sprung();
    };
    const passes = (direction: Direction, message: Message): boolean => {
      if (over) return false;
      if (direction === 'down') {
        if (message.type === NOTIFICATION && this.#swallows(message)) return false;
        if (!caught) return true;
        if (message.type === READY_FOR_QUERY) {
          const trap = caught;
          caught = undefined;
          spring(trap);
        }
        return false;
      }
      const text = statementOf(message);
      const index = this.#traps.findIndex(({ statement }) => text?.startsWith(statement));
      if (index < 0) return true;
      const [trap] = this.#traps.splice(index, 1);
      if (trap!.moment === 'answered') caught = trap;
      else spring(trap!);
      return !over;
    };
    return (direction, chunk) =>
      frames[direction]
        .add(chunk)
        .filter((message) => passes(direction, message))
        .flatMap((message) => this.#repeat(message, direction));
  }

  #swallows({ bytes }: Message): boolean {
    const index = this.#swallow.findIndex(({ containing }) => bytes.includes(containing));
    if (index < 0) return false;
    this.#swallow.splice(index, 1)[0]!.done();
    return true;
  }

  #repeat({ type, bytes }: Message, direction: Direction): Buffer[] {
    if (!this.#repeated || direction !== 'down' || type !== NOTIFICATION) return [bytes];
    const before = this.#repeated.toReversed();
    this.#repeated.push(bytes);
    return [bytes, bytes, ...before];
  }
}

interface Message {
  /** empty for the first message of a connection, which has none */
  readonly type: string;
  readonly bytes: Buffer;
}

/** Messages of the version 3 protocol: a byte of type, four of length that count themselves. */
class Frames {
  #rest = Buffer.alloc(0);

  /** @param untyped whether the first message has no type */
  constructor(private untyped: boolean) {}

  add(chunk: Buffer): Message[] {
    this.#rest = Buffer.concat([this.#rest, chunk]);
    const messages: Message[] = [];
    for (;;) {
      const typed = this.untyped ? 0 : 1;
      if (this.#rest.length < typed + 4) return messages;
      const end = typed + this.#rest.readUInt32BE(typed);
      if (this.#rest.length < end) return messages;
      const bytes = this.#rest.subarray(0, end);
      messages.push({ type: typed ? bytes.toString('latin1', 0, 1) : '', bytes });
      this.#rest = this.#rest.subarray(end);
      this.untyped = false;
    }
  }
}

/** The name or text that a message carries out: of Bind the prepared statement, of Query the SQL. */
function statementOf({ type, bytes }: Message): string | undefined {
  if (type === 'Q') return bytes.toString('utf8', 5, bytes.length - 1);
  // Bind: portal, then the name of the statement, both ended by a zero.
  if (type === 'B') return bytes.toString('utf8', 5).split('\0', 2)[1];
  // Parse: without a name, its text is all there is.
  return type === 'P' && bytes[5] === 0 ? bytes.toString('utf8', 6).split('\0', 1)[0] : undefined;
}
