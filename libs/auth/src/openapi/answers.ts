import { applyDecorators } from '@nestjs/common';
import { ApiResponse } from '@nestjs/swagger';
import { bodyFor } from '../access/auth-http.exception.js';
import { headersFor } from '../access/auth-error.filter.js';
import type { AuthError } from '../core/errors.js';
import { TokenErrorModel } from './models.js';

/** Errors a route throws, each under the name its example has in the document. */
export type Refusals = Readonly<Record<string, AuthError>>;

interface HeaderDescription {
  readonly description: string;
  readonly required?: boolean;
  readonly schema: { readonly type: 'string' | 'integer' };
  readonly examples?: Record<string, { readonly value: string | number }>;
}

const HEADERS: Readonly<Record<string, HeaderDescription>> = {
  'Cache-Control': { description: 'Nobody keeps this answer.', schema: { type: 'string' } },
  'Retry-After': {
    description: 'Seconds until the same request may be repeated.',
    schema: { type: 'integer' },
  },
  'WWW-Authenticate': {
    description: 'How to authenticate, and what was wrong: RFC 6750 section 3, RFC 7617 section 2.',
    schema: { type: 'string' },
  },
};

/** What differs from what the filter sends: headers a route adds, or answers by which others share a status. */
interface Circumstances {
  /** headers that the route adds to what it refuses with a status */
  readonly more?: Readonly<Record<number, Record<string, HeaderDescription>>>;
  /** the handler is the application's, and may refuse with the same status without any of our headers */
  readonly isShared?: boolean;
}

/**
 * Describes what a route refuses: for each status one response, which holds every error as the filter sends it, body and
 * headers, because it is made by what the filter itself asks.
 */
export function ApiRefusals(refusals: Refusals, circumstances: Circumstances = {}): MethodDecorator {
  const { more = {}, isShared = false } = circumstances;
  const statuses = new Set(Object.values(refusals).map(({ status }) => status));
  return applyDecorators(
    ...[...statuses].map((status) => {
      const named = Object.entries(refusals).filter(([, error]) => error.status === status);
      const words = new Set(named.map(([, error]) => String(bodyFor(error)['error'])));
      return ApiResponse({
        status,
        description: [...words].map((word) => `\`${word}\``).join(', '),
        type: TokenErrorModel,
        examples: Object.fromEntries(named.map(([name, error]) => [name, exampleOf(name, error)])),
        headers: { ...headersOf(named, isShared), ...more[status] },
      });
    }),
  );
}

function exampleOf(name: string, error: AuthError): { summary: string; value: unknown } {
  return { summary: name.replaceAll('_', ' '), value: bodyFor(error) };
}

/** A header that not every one of them has is none that a client may count on. */
function headersOf(
  named: readonly (readonly [string, AuthError])[],
  isShared: boolean,
): Record<string, HeaderDescription> {
  const all = named.map(([name, error]) => [name, new Map(headersFor(error))] as const);
  const names = new Set(all.flatMap(([, headers]) => [...headers.keys()]));
  return Object.fromEntries(
    [...names].map((header) => {
      const having = all.filter(([, headers]) => headers.has(header));
      const examples = having.map(
        ([name, headers]) => [name, { value: valueOf(header, headers.get(header)!) }] as const,
      );
      const description = HEADERS[header] ?? { description: '', schema: { type: 'string' } };
      const required = !isShared && having.length === all.length;
      return [header, { ...description, required, examples: Object.fromEntries(examples) }];
    }),
  );
}

function valueOf(header: string, text: string): string | number {
  return HEADERS[header]?.schema.type === 'integer' ? Number(text) : text;
}
