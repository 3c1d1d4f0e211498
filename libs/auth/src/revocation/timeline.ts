interface Point {
  readonly sid: string;
  readonly at: number;
}

/**
 * Sessions in the order of a time, so that a page of them costs no more than a page. They come nearly in that order, and
 * each is put where it belongs; what is no longer true is passed over, and swept out now and then.
 */
export class Timeline {
  #points: Point[] = [];

  /** @param holds whether a session is still known by that time */
  constructor(private readonly holds: (sid: string, at: number) => boolean) {}

  add(sid: string, at: number): void {
    const place = this.#countOf((point) => point.at <= at);
    if (place === this.#points.length) this.#points.push({ sid, at });
    else this.#points.splice(place, 0, { sid, at });
  }

  /**
   * Those from `since` on.
   *
   * @param limit for how many at most, and a few more where times are equal: none is left between two pages
   * @returns `next`: from when on there are more, null when there are none
   */
  page(since: number, limit: number): { sids: string[]; next: number | null } {
    const sids: string[] = [];
    let last = -Infinity;
    for (let index = this.#countOf(({ at }) => at < since); index < this.#points.length; index++) {
      const { sid, at } = this.#points[index]!;
      if (!this.holds(sid, at)) continue;
      if (sids.length >= limit && at > last) return { sids, next: at };
      sids.push(sid);
      last = at;
    }
    return { sids, next: null };
  }

  /** @param size how many still hold */
  sweep(size: number): void {
    if (this.#points.length > 2 * size)
      this.#points = this.#points.filter(({ sid, at }) => this.holds(sid, at));
  }

  /** How many of the first points are `earlier`: all of them, up to one. */
  #countOf(earlier: (point: Point) => boolean): number {
    let [low, high] = [0, this.#points.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (earlier(this.#points[middle]!)) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
