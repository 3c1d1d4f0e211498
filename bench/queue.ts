/** Things that may be used by one at a time: with many more of them than requests in flight, nobody waits. */
export class Queue<T> {
  readonly #idle: T[];

  constructor(items: readonly T[]) {
    this.#idle = [...items];
  }

  /** @throws {Error} all are in use */
  async lend(work: (item: T) => Promise<unknown>): Promise<void> {
    const item = this.#idle.shift();
    if (item === undefined) throw new Error('More in flight than there are things to work on');
    await work(item);
    this.#idle.push(item);
  }
}
