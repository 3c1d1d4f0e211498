import type { FamilyRow, Operation } from './history.js';

/** A family, seen from outside: how many rotations so far, and whether it lives. */
interface State {
  readonly generation: number;
  readonly dead: boolean;
}

/**
 * Says whether a family behaved as if its operations had been carried out one after the other, each at one moment
 * between its start and its end, and left `row` behind.
 *
 * A search as of Wing and Gong, with memory as of Lowe. Operations of unknown outcome are no part of the sequence: they
 * may happen once, never, or long after the client has given up; so at any moment after the earliest of them began, what
 * it would have done may have been done. Of a request that may have been sent again, the answer is the second one's: what
 * the first would have done may have been done before it, and not after.
 */
export function isLinearizable(operations: readonly Operation[], row: FamilyRow): boolean {
  const definite = operations
    .filter(({ kind, outcome }) => kind !== 'access' && kind !== 'login' && outcome !== 'unknown')
    .filter(({ outcome }) => outcome !== 'rejected')
    .toSorted((left, right) => left.start - right.start);
  const effects = new Effects(operations);
  const seen = new Set<string>();
  const stack: { done: bigint; state: State }[] = [{ done: 0n, state: { generation: 0, dead: false } }];
  const all = (1n << BigInt(definite.length)) - 1n;
  for (let next = stack.pop(); next; next = stack.pop()) {
    const { done, state } = next;
    const id = `${done.toString(36)} ${state.generation} ${state.dead}`;
    if (seen.has(id)) continue;
    seen.add(id);
    if (done === all && state.generation === row.generation && state.dead === row.revoked) return true;
    // Whatever is to come next must have begun before any of those that remain had ended.
    let firstEnd = Infinity;
    for (const [index, operation] of definite.entries()) {
      if (!has(done, index)) firstEnd = Math.min(firstEnd, operation.end);
    }
    for (const following of effects.possible(state, firstEnd)) stack.push({ done, state: following });
    for (const [index, operation] of definite.entries()) {
      if (operation.start > firstEnd) break;
      if (has(done, index)) continue;
      const following = apply(operation, state);
      if (following) stack.push({ done: done | (1n << BigInt(index)), state: following });
      const lost = operation.sentAgain ? afterLost(operation, state) : null;
      if (lost) stack.push({ done, state: lost });
    }
  }
  return false;
}

function has(done: bigint, index: number): boolean {
  return ((done >> BigInt(index)) & 1n) === 1n;
}

/** What the state is after a definite operation; null when its answer cannot come from `state`. */
function apply({ kind, party, outcome, presented, received }: Operation, state: State): State | null {
  const { generation, dead } = state;
  const ended = { generation, dead: true };
  if (kind === 'revoke') {
    // An administrator is told whether there was something to end; a logout is 204 either way.
    if (party !== 'admin') return ended;
    return (outcome === 'ok') === dead ? null : ended;
  }
  const distance = generation - presented!.generation;
  if (outcome === 'refused') return dead || distance > 0 ? ended : null;
  if (dead) return null;
  if (received!.generation === presented!.generation) return distance === 0 ? state : null;
  if (distance === 1) return state;
  return distance === 0 ? { generation: generation + 1, dead } : null;
}

/** What the state is after the first of two deliveries, of which the second is the one answered; null when it is the same. */
function afterLost({ kind, presented }: Operation, { generation, dead }: State): State | null {
  if (dead) return null;
  if (kind === 'revoke') return { generation, dead: true };
  return presented!.generation === generation ? { generation: generation + 1, dead } : null;
}

/** What operations of unknown outcome may have done. */
class Effects {
  /** generation presented → when it was first presented without an answer */
  readonly #presented = new Map<number, number>();
  #revokedAt: number | undefined;

  constructor(operations: readonly Operation[]) {
    for (const { kind, outcome, presented, start } of operations) {
      if (outcome !== 'unknown') continue;
      if (kind === 'revoke') this.#revokedAt = Math.min(this.#revokedAt ?? start, start);
      if (kind !== 'refresh') continue;
      const { generation } = presented!;
      this.#presented.set(generation, Math.min(this.#presented.get(generation) ?? start, start));
    }
  }

  *possible({ generation, dead }: State, now: number): Generator<State> {
    if (dead) return;
    const presentedAt = this.#presented.get(generation);
    if (presentedAt !== undefined && presentedAt <= now) yield { generation: generation + 1, dead };
    const reused = [...this.#presented].some(([older, start]) => older < generation && start <= now);
    const revoked = this.#revokedAt !== undefined && this.#revokedAt <= now;
    if (reused || revoked) yield { generation, dead: true };
  }
}
