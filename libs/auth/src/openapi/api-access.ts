import { HttpStatus, RequestMethod, type Type } from '@nestjs/common';
import { HTTP_CODE_METADATA, METHOD_METADATA } from '@nestjs/common/constants.js';
import { ApiResponse, ApiSecurity, DECORATORS, type ApiResponseOptions } from '@nestjs/swagger';
import { requirementsOf, type RouteDecorator } from '../access/requirements.js';
import { ApiRefusals } from './answers.js';
import { refusalsOf } from './refusals.js';
import { ACCESS_TOKEN, NOTHING } from './security.js';

interface Mark {
  readonly controller: Type;
  /** undefined: every handler of the class */
  readonly handler: string | symbol | undefined;
}

/*
 * Decorators of a class are applied after those of its handlers, and of one target from the last to the first: what
 * they demand together is known when all of them have been, so a mark is read by `describeTokens`.
 */
const marks: Mark[] = [];
/** Where the plugin of `@nestjs/swagger` leaves what it has read from the types of a controller. */
const PLUGIN = '_OPENAPI_METADATA_FACTORY';
interface Plugin {
  readonly [PLUGIN]?: () => Readonly<Record<string | symbol, ApiResponseOptions>>;
}

const described = new WeakSet<object>();

/**
 * Describes a route that `AccessGuard` guards, or every route of a controller: the access token it takes, and what the
 * guard answers without a good one, with an example of each.
 *
 * What a route demands is read from the decorators that the guard itself reads, wherever they stand: `@RequireScope()`
 * adds a 403 with the scope, `@Fresh()` a 401, `@OptionalAuth()` makes the token optional, a `@Public()` route is told to
 * take none. It guards nothing, and shows nothing until `describeTokens` is called.
 */
export const ApiAccess = (): RouteDecorator => (target, key) => {
  if (key === undefined) marks.push({ controller: target as Type, handler: undefined });
  else marks.push({ controller: target.constructor as Type, handler: key });
};

/** What was marked since the last time. */
export function describeMarked(): void {
  for (const { controller, handler } of marks.splice(0)) {
    for (const name of handler === undefined ? namesOf(controller) : [handler]) describe(controller, name);
  }
}

function describe(controller: Type, name: string | symbol): void {
  const descriptor = { value: (controller.prototype as Record<string | symbol, unknown>)[name] };
  const handler = descriptor.value;
  if (typeof handler !== 'function' || described.has(handler)) return;
  described.add(handler);
  const requirements = requirementsOf(handler, controller);
  const decorators = [
    ...(hasResponse(handler) ? [] : [ApiResponse(defaultResponse(controller, name, handler))]),
    ...(requirements.access === 'required' ? [] : [ApiSecurity(NOTHING)]),
    ...(requirements.access === 'public' ? [] : [ApiSecurity(ACCESS_TOKEN)]),
    ApiRefusals(refusalsOf(requirements), { isShared: true }),
  ];
  for (const each of decorators) each(controller.prototype as object, name, descriptor);
}

function hasResponse(handler: object): boolean {
  return Reflect.hasMetadata(DECORATORS.API_RESPONSE, handler);
}

/** What `createDocument` says of a handler by itself, or by its plugin, only as long as nothing else is said of it. */
function defaultResponse(controller: Type, name: string | symbol, handler: object): ApiResponseOptions {
  const { [PLUGIN]: describedByPlugin } = controller as Type & Plugin;
  const isPost = Reflect.getMetadata(METHOD_METADATA, handler) === RequestMethod.POST;
  const status = (Reflect.getMetadata(HTTP_CODE_METADATA, handler) ??
    (isPost ? HttpStatus.CREATED : HttpStatus.OK)) as number;
  return { status, description: '', ...describedByPlugin?.()[name] };
}

/** Of its handlers, and of those of the classes it extends; no getter is asked. */
function namesOf(controller: Type): string[] {
  const names = new Set<string>();
  for (
    let prototype = controller.prototype as object | null;
    prototype && prototype !== Object.prototype;
    prototype = Object.getPrototypeOf(prototype) as object | null
  ) {
    for (const [name, { value }] of Object.entries(Object.getOwnPropertyDescriptors(prototype)))
      if (typeof value === 'function' && name !== 'constructor') names.add(name);
  }
  return [...names];
}
