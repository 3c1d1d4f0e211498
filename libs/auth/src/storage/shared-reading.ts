interface Flight<T> {
  readonly ended: Promise<void>;
  /** the reading that follows, once somebody has asked for it */
  next: Promise<T> | null;
}

/**
 * Reads a thing once at a time, however many ask for it: those who come while a reading is under way share the next one.
 *
 * Never the one under way: what it has seen may be older than their question, and a session that ended in between would
 * live for them. Whoever asks gets a reading that began after they asked, as without this.
 */
export class SharedReading<T> {
  readonly #flights = new Map<string, Flight<T>>();

  /** @throws whatever the reading throws, to all who share it; the one after it begins anew */
  ask(key: string, read: () => Promise<T>): Promise<T> {
    const flight = this.#flights.get(key);
    return flight
      ? (flight.next ??= flight.ended.then(() => this.#begin(key, read)))
      : this.#begin(key, read);
  }

  #begin(key: string, read: () => Promise<T>): Promise<T> {
    const reading = read();
    const end = (): void => {
      if (!flight.next) this.#flights.delete(key);
    };
    const flight: Flight<T> = { ended: reading.then(end, end), next: null };
    this.#flights.set(key, flight);
    return reading;
  }
}
