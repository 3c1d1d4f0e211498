import type { LoggerService } from '@nestjs/common';

/** Keeps what an application logs, a line for each entry, its level first. */
export class KeptLog implements LoggerService {
  readonly lines: string[] = [];

  log = (...parts: unknown[]) => this.#keep('log', parts);
  debug = (...parts: unknown[]) => this.#keep('debug', parts);
  verbose = (...parts: unknown[]) => this.#keep('verbose', parts);
  warn = (...parts: unknown[]) => this.#keep('warn', parts);
  error = (...parts: unknown[]) => this.#keep('error', parts);

  errors(): string[] {
    return this.lines.filter((line) => line.startsWith('error'));
  }

  #keep(level: string, parts: unknown[]): void {
    const texts = parts.map((part) => (part instanceof Error ? String(part.stack) : JSON.stringify(part)));
    this.lines.push([level, ...texts].join(' '));
  }
}
