import type { ExecutionContext } from '@nestjs/common';

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

/** What the decorators on one handler or one class say, all of them. */
export interface Demands {
  readonly openness?: 'optional' | 'public';
  readonly scope?: readonly string[];
  readonly maxAge?: number;
  readonly strict?: boolean;
}

const DEMANDS = Symbol('token-family:demands');

type Target = ReturnType<ExecutionContext['getHandler'] | ExecutionContext['getClass']>;

/** For a class or one of its handlers. */
export type RouteDecorator = (target: object, key?: string | symbol, descriptor?: PropertyDescriptor) => void;

/** Adds to what the decorators before have said of the same handler or class: none of them replaces another. */
export function demand(added: Demands): RouteDecorator {
  return (target, _key, descriptor) => {
    const holder = descriptor ? (descriptor.value as object) : target;
    const before = ownDemands(holder);
    const scope = [...(before.scope ?? []), ...(added.scope ?? [])];
    const maxAge = Math.min(before.maxAge ?? Infinity, added.maxAge ?? Infinity);
    const demands = { ...before, ...added, scope, ...(maxAge < Infinity && { maxAge }) };
    Reflect.defineMetadata(DEMANDS, demands, holder);
  };
}

/**
 * Reads the decorators of routes, once for each route.
 *
 * What a handler, its class and the classes that one extends demand adds up. Being open does not: it is the nearest word
 * that counts, and a class opens the handlers it has, not those that a class below adds. Where an open door and a demand
 * meet, the door stays shut.
 */
export class RouteRequirements {
  readonly #routes = new WeakMap<Target, Route>();

  of(context: ExecutionContext): Requirements {
    const handler = context.getHandler();
    const controller = context.getClass();
    let route = this.#routes.get(handler);
    // Two classes may share a handler, and then take turns: rare enough to be read again.
    if (route?.controller !== controller) {
      route = { controller, requirements: requirementsOf(handler, controller) };
      this.#routes.set(handler, route);
    }
    return route.requirements;
  }
}

interface Route {
  readonly controller: Target;
  readonly requirements: Requirements;
}

/** What the decorators on `handler` and on `controller`, which has it, demand together. */
export function requirementsOf(handler: Target, controller: Target): Requirements {
  const classes = lineageOf(controller);
  const said = [ownDemands(handler), ...classes.map(ownDemands)];
  // The most specific word first; of a class only if the handler is one of its own or of those it extends.
  const opening = [ownDemands(handler), ...classes.filter((each) => has(each, handler)).map(ownDemands)];
  const decisive = opening.find((demands) => demands.openness !== undefined || isDemanding(demands));
  const maxAge = Math.min(...said.map((demands) => demands.maxAge ?? Infinity));
  return {
    access: decisive && !isDemanding(decisive) ? decisive.openness! : 'required',
    scope: [...new Set(said.flatMap(({ scope = [] }) => scope))],
    maxAge: maxAge < Infinity ? maxAge : null,
    strict: said.some(({ strict = false }) => strict),
  };
}

function isDemanding({ scope = [], maxAge, strict = false }: Demands): boolean {
  return scope.length > 0 || maxAge !== undefined || strict;
}

/** Of this very target: what a class inherits is asked of the class it is from. */
function ownDemands(target: object): Demands {
  return (Reflect.getOwnMetadata(DEMANDS, target) as Demands | undefined) ?? {};
}

/** A class and all that it extends, the most specific one first. */
function lineageOf(target: Target): Target[] {
  const lineage: Target[] = [];
  for (
    let each: Target | null = target;
    typeof each === 'function';
    each = Object.getPrototypeOf(each) as Target
  ) {
    if (each.prototype !== undefined) lineage.push(each);
  }
  return lineage;
}

function has(target: Target, handler: Target): boolean {
  for (
    let prototype = target.prototype as object | null;
    prototype;
    prototype = Object.getPrototypeOf(prototype) as object | null
  ) {
    const members = Object.values(Object.getOwnPropertyDescriptors(prototype));
    if (members.some(({ value }) => value === handler)) return true;
  }
  return false;
}
