/** One way of doing a thing that is compared with others. */
export interface Contender {
  readonly name: string;
  /** Slower by orders of magnitude: the first round is enough. */
  readonly isSlow?: boolean;
  /** Does it once, from beginning to end; called again before it ended when several are in flight. */
  once(): Promise<unknown>;
  close(): Promise<void>;
}

export interface Effort {
  readonly rounds: number;
  /** of each contender in each round */
  readonly seconds: number;
}

export interface Sample {
  /** per second */
  readonly rate: number;
  /** microseconds of this process's CPU for one, its own threads included, the database's not */
  readonly cpu: number;
}

/**
 * Measures contenders in turns, a short while each, round after round.
 *
 * A machine that is busy with something else slows neighbours in a round alike: compare the samples of one round
 * with each other, and believe the median of those ratios before any absolute number.
 *
 * @returns a sample for each round, by contender; a single one of a slow contender
 */
export async function interleave<C extends Contender>(
  contenders: readonly C[],
  inFlight: number,
  { rounds, seconds }: Effort,
): Promise<Map<C, Sample[]>> {
  const samples = new Map<C, Sample[]>(contenders.map((contender) => [contender, []]));
  for (let round = 0; round < rounds; round++) {
    // Every other round backwards, so that nobody always comes after the same neighbour.
    const due = contenders.filter(({ isSlow }) => round === 0 || !isSlow);
    const order = round % 2 === 0 ? due : due.toReversed();
    for (const contender of order) samples.get(contender)!.push(await sample(contender, inFlight, seconds));
  }
  return samples;
}

/** Keeps `inFlight` under way for `seconds`, then waits for the last of them: what was begun is counted. */
export async function sample(contender: Contender, inFlight: number, seconds: number): Promise<Sample> {
  let done = 0;
  const cpuBefore = process.cpuUsage();
  const begin = performance.now();
  const end = begin + seconds * 1000;
  async function keepBusy(): Promise<void> {
    do {
      await contender.once();
      done++;
    } while (performance.now() < end);
  }
  await Promise.all(Array.from({ length: inFlight }, keepBusy));
  const elapsed = performance.now() - begin;
  const { user, system } = process.cpuUsage(cpuBefore);
  return { rate: (done * 1000) / elapsed, cpu: (user + system) / done };
}

export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

export function spread(values: readonly number[]): Spread {
  const sorted = values.toSorted((left, right) => left - right);
  const middle = sorted.length >> 1;
  const median = sorted.length % 2 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
  return { median, min: sorted[0]!, max: sorted.at(-1)! };
}

/** How `own` compares to `other`, round by round; a single sample stands for every round. */
export function ratio(own: readonly Sample[], other: readonly Sample[]): Spread {
  const rounds = Math.max(own.length, other.length);
  const rateOf = (samples: readonly Sample[], round: number) => samples[round % samples.length]!.rate;
  return spread(Array.from({ length: rounds }, (_, round) => rateOf(own, round) / rateOf(other, round)));
}
