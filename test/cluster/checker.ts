import type { FamilyRow, History, Operation, Theft } from './history.js';
import { isLinearizable } from './linearizable.js';

export interface Limits {
  /** milliseconds */
  readonly leeway: number;
  /** milliseconds from a confirmed end of a family until its access tokens are refused everywhere */
  readonly accessEndsWithin: number;
  /** whether the nodes' clocks are right: access tokens are judged by them */
  readonly clocksAreRight: boolean;
}

type Rule =
  | 'one row'
  | 'one successor'
  | 'linearizable'
  | 'no false logout'
  | 'dead stays dead'
  | 'access ends'
  | 'theft is caught'
  | 'the cookie stays';

export interface Violation {
  readonly rule: Rule;
  readonly family: string;
  readonly what: string;
}

/** Everything a history says against the promises; nothing if they were kept. Pure. */
export function check(history: History, rows: readonly FamilyRow[], limits: Limits): Violation[] {
  return history.families().flatMap((family) => {
    const past = new Past(
      history.of(family),
      history.thefts.filter((theft) => theft.family === family),
      rows.filter((row) => row.family === family),
      limits,
    );
    return past.violations().map(([rule, what]) => ({ rule, family, what }));
  });
}

export function report(violations: readonly Violation[]): string {
  return violations.map(({ rule, family, what }) => `[${rule}] ${family}: ${what}`).join('\n');
}

/** All there is to say about one family. */
class Past {
  readonly #refreshes: readonly Operation[];
  /** the first moment somebody knew for certain that the family is over */
  readonly #overAt: number;

  constructor(
    private readonly operations: readonly Operation[],
    private readonly thefts: readonly Theft[],
    private readonly rows: readonly FamilyRow[],
    private readonly limits: Limits,
  ) {
    this.#refreshes = operations.filter(({ kind }) => kind === 'refresh');
    const ends = operations.filter(
      ({ kind, outcome }) =>
        (kind === 'revoke' && (outcome === 'ok' || outcome === 'refused')) ||
        (kind === 'refresh' && outcome === 'refused'),
    );
    this.#overAt = Math.min(...ends.map(({ end }) => end));
  }

  *#all(): Generator<[Rule, string] | null> {
    yield this.#oneRow();
    yield this.#oneSuccessor();
    yield this.#linearizable();
    yield this.#noFalseLogout();
    yield this.#deadStaysDead();
    yield this.#accessEnds();
    yield this.#theftIsCaught();
    yield this.#theCookieStays();
  }

  violations(): [Rule, string][] {
    return [...this.#all()].filter((violation) => violation !== null);
  }

  #oneRow(): [Rule, string] | null {
    if (this.rows.length !== 1) return ['one row', `${this.rows.length} rows`];
    const [{ generation, step }] = this.rows as [FamilyRow];
    const known = this.#tokens().filter((token) => token.generation === generation);
    if (known.every((token) => token.step === step)) return null;
    return ['one row', `generation ${generation} in the row is none that was handed out`];
  }

  #oneSuccessor(): [Rule, string] | null {
    const steps = new Map<number, Set<string>>();
    for (const { generation, step } of this.#tokens()) {
      steps.set(generation, (steps.get(generation) ?? new Set()).add(step));
    }
    for (const [generation, { size }] of steps) {
      if (size > 1) return ['one successor', `${size} different tokens of generation ${generation}`];
    }
    return null;
  }

  #linearizable(): [Rule, string] | null {
    const [row] = this.rows;
    if (!row || isLinearizable(this.operations, row)) return null;
    const lines = this.operations.filter(({ kind }) => kind !== 'access').map(describe);
    const end = `row: generation ${row.generation}, ${row.revoked ? 'revoked' : 'alive'}`;
    return ['linearizable', `no order explains\n  ${[...lines, end].join('\n  ')}`];
  }

  #noFalseLogout(): [Rule, string] | null {
    const endings = this.operations.filter(
      (operation) =>
        operation.kind === 'revoke' || operation.party === 'thief' || this.#isLateRepeat(operation),
    );
    const begun = Math.min(...endings.map(({ start }) => start));
    const wronged = this.operations.find(
      ({ kind, party, outcome, end }) =>
        party === 'honest' &&
        (outcome === 'refused' || outcome === 'rejected') &&
        (kind === 'refresh' || (kind === 'access' && this.limits.clocksAreRight)) &&
        end < begun,
    );
    return wronged ? ['no false logout', describe(wronged)] : null;
  }

  /**
   * Without a key a repeat is promised the same answer within the leeway, whoever it was that repeated. So nothing is
   * promised to one that may have come a leeway after the first that was not answered.
   */
  #isLateRepeat(late: Operation): boolean {
    const { kind, outcome, key, presented, end } = late;
    if (kind !== 'refresh' || key !== undefined || (outcome !== 'refused' && outcome !== 'unknown'))
      return false;
    const unanswered = this.#refreshes.filter(
      (other) =>
        other.presented!.step === presented!.step &&
        (other === late ? other.sentAgain === true : other.outcome === 'unknown'),
    );
    return end - Math.min(...unanswered.map(({ start }) => start)) >= this.limits.leeway;
  }

  #deadStaysDead(): [Rule, string] | null {
    const late = this.#refreshes.find(({ outcome, start }) => outcome === 'ok' && start > this.#overAt);
    return late ? ['dead stays dead', `over at ${ms(this.#overAt)}, and then ${describe(late)}`] : null;
  }

  #accessEnds(): [Rule, string] | null {
    const end = this.#overAt + this.limits.accessEndsWithin;
    const late = this.operations.find(
      ({ kind, outcome, start }) => kind === 'access' && outcome === 'ok' && start > end,
    );
    return late ? ['access ends', `over at ${ms(this.#overAt)}, and then ${describe(late)}`] : null;
  }

  /**
   * What one party has spent, the other one presents more than a leeway later: that ends the family, or takes a key that was
   * copied with the token, once for each copy.
   */
  #theftIsCaught(): [Rule, string] | null {
    if (this.thefts.length === 0) return null;
    const quiet = new Set<string>();
    const accepted = this.#refreshes.filter(({ outcome }) => outcome === 'ok');
    for (const late of accepted) {
      const { presented, party, key, start } = late;
      const same = this.#refreshes.filter((other) => other.presented!.step === presented!.step);
      const spent = same.find(
        (other) =>
          other.outcome === 'ok' &&
          other.received!.generation > presented!.generation &&
          other.party !== party &&
          start > other.end + this.limits.leeway,
      );
      if (!spent) continue;
      const before = same.filter((other) => other.start < spent.end && other.key === key);
      // Its own attempt, repeated: it may have been the one that rotated.
      if (key !== undefined && before.some((other) => other.party === party)) continue;
      if (key === undefined || before.length === 0) return ['theft is caught', describe(late)];
      quiet.add(`${presented!.generation} ${party}`);
    }
    const copies = this.thefts.filter(({ withKey }) => withKey).length;
    return quiet.size > copies
      ? ['theft is caught', `${quiet.size} late answers for ${copies} copied keys`]
      : null;
  }

  #theCookieStays(): [Rule, string] | null {
    const lost = this.operations.find(({ clearedCookie, outcome }) => clearedCookie && outcome === 'unknown');
    return lost ? ['the cookie stays', describe(lost)] : null;
  }

  #tokens() {
    return this.operations
      .flatMap(({ presented, received }) => [presented, received])
      .filter((token) => token !== undefined);
  }
}

function describe(operation: Operation): string {
  const { kind, client, node, start, end, outcome, reason, presented, received } = operation;
  const tokens = [presented, received].map((token) => token?.generation ?? '-').join(' → ');
  return `${ms(start)}–${ms(end)} ${client} ${kind} on ${node}: ${tokens} ${outcome} (${reason})`;
}

function ms(time: number): string {
  return time.toFixed(1);
}
