import type { ExecutionContext } from '@nestjs/common';
import { Reflector } from '@nestjs/core';

/** Says of a handler that it lets services prove by a secret who they are. */
export const TakesClientSecret = Reflector.createDecorator<true>();

/** Whether a route asks for the secret of a service: everywhere else one is only a text that somebody has put into a request. */
export function takesClientSecret(context: ExecutionContext): boolean {
  return Reflect.getMetadata(TakesClientSecret.KEY, context.getHandler()) === true;
}
