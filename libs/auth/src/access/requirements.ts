import type { ExecutionContext } from '@nestjs/common';
import type { Reflector } from '@nestjs/core';

/** What a route asks of the access token, from the decorators on its handler and its class. */
export interface Requirements {
  readonly access: 'required' | 'optional' | 'public';
  /** every word must be granted */
  readonly scope: readonly string[];
  /** seconds the login may lie back, or null */
  readonly maxAge: number | null;
  /** whether the database is asked if the session lives */
  readonly strict: boolean;
}

export const OPENNESS = Symbol('token-family:openness');
export const SCOPE = Symbol('token-family:scope');
export const MAX_AGE = Symbol('token-family:max-age');
export const STRICT = Symbol('token-family:strict');

type Target = ReturnType<ExecutionContext['getHandler'] | ExecutionContext['getClass']>;

/**
 * Reads the decorators of routes, once for each route.
 *
 * What a class and its handler demand adds up. A class that is open does not open a handler that demands something,
 * and neither does a decorator on the handler itself: where two of them disagree, the door stays shut.
 */
export class RouteRequirements {
  readonly #known = new WeakMap<Target, WeakMap<Target, Requirements>>();

  constructor(private readonly reflector: Reflector) {}

  of(context: ExecutionContext): Requirements {
    const handler = context.getHandler();
    const controller = context.getClass();
    let byClass = this.#known.get(handler);
    if (!byClass) this.#known.set(handler, (byClass = new WeakMap()));
    let requirements = byClass.get(controller);
    if (!requirements) byClass.set(controller, (requirements = this.#read([handler, controller])));
    return requirements;
  }

  /** @param targets the most specific one first */
  #read(targets: readonly Target[]): Requirements {
    const demands = targets.map((target) => ({
      openness: this.reflector.get<Requirements['access'] | undefined>(OPENNESS, target),
      scope: this.reflector.get<readonly string[] | undefined>(SCOPE, target) ?? [],
      maxAge: this.reflector.get<number | undefined>(MAX_AGE, target),
      strict: this.reflector.get<boolean | undefined>(STRICT, target) ?? false,
    }));
    const decisive = demands.find(
      ({ openness, scope, maxAge, strict }) =>
        openness !== undefined || scope.length > 0 || maxAge !== undefined || strict,
    );
    const isDemanding =
      decisive && (decisive.scope.length > 0 || decisive.maxAge !== undefined || decisive.strict);
    const maxAges = demands.map(({ maxAge }) => maxAge).filter((maxAge) => maxAge !== undefined);
    return {
      access: isDemanding ? 'required' : (decisive?.openness ?? 'required'),
      scope: [...new Set(demands.flatMap(({ scope }) => scope))],
      maxAge: maxAges.length > 0 ? Math.min(...maxAges) : null,
      strict: demands.some(({ strict }) => strict),
    };
  }
}
