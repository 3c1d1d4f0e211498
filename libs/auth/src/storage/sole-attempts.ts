/**
 * Lets one of those who ask for the same change at once try, and tells the others, when it is through, that theirs was
 * lost: they look at the row, and are judged by it one by one.
 *
 * Nothing of an answer is shared. Of those who wait at most one could have won, and a storm costs the database one
 * statement in place of one for each request of it. A failure is shared: what it waited for in vain, such as a lock, each of
 * them would wait for as long, one after the other.
 */
export class SoleAttempts<T> {
  readonly #underWay = new Map<string, Promise<T>>();

  /** @param lost what a change comes to when somebody else was faster */
  constructor(private readonly lost: T) {}

  /** @throws whatever the change throws, to all who wait for it; the one after it begins anew */
  make(key: string, change: () => Promise<T>): Promise<T> {
    const other = this.#underWay.get(key);
    if (other) return other.then(() => this.lost);
    const attempt = change();
    const end = () => void this.#underWay.delete(key);
    this.#underWay.set(key, attempt);
    attempt.then(end, end);
    return attempt;
  }
}
