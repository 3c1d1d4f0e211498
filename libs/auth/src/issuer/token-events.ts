import { Logger } from '@nestjs/common';
import type { TokenEvent, TokenEventType } from '../core/events.js';
import { LogEntry } from '../core/log-entry.js';
import type { TokenEventSink } from '../core/ports.js';

type Listener<T extends TokenEventType> = (event: Extract<TokenEvent, { type: T }>) => void;

/**
 * Tells the application what happened to its families: inject it and listen.
 *
 * An event comes after its change was committed, in the process that made it. A listener that throws is logged
 * and fails no request; one that must not lose an event writes it down itself.
 */
export class TokenEvents implements TokenEventSink {
  readonly #listeners = new Map<TokenEventType, Set<(event: TokenEvent) => void>>();
  readonly #logger = new Logger(TokenEvents.name);

  /** @returns a function that ends the listening */
  on<T extends TokenEventType>(type: T, listener: Listener<T>): () => void {
    const listeners = this.#listeners.get(type) ?? new Set();
    this.#listeners.set(type, listeners);
    listeners.add(listener as (event: TokenEvent) => void);
    return () => listeners.delete(listener as (event: TokenEvent) => void);
  }

  emit(event: TokenEvent): void {
    this.#log(event);
    for (const listener of this.#listeners.get(event.type) ?? []) {
      try {
        listener(event);
      } catch (error) {
        this.#logger.error(
          `A listener for ${event.type} failed`,
          error instanceof Error ? error.stack : undefined,
        );
      }
    }
  }

  /** What an operator should see without having asked. */
  #log(event: TokenEvent): void {
    const isNotable =
      event.type === 'reused' ||
      event.type === 'forged' ||
      event.type === 'advanced' ||
      (event.type === 'retried' && event.late);
    if (!isNotable) return;
    const { type, ...about } = event;
    this.#logger.warn(new LogEntry({ event: type, ...about }));
  }
}
