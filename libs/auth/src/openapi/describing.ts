import type { Type } from '@nestjs/common';

/** Applies decorators to a handler of a class that is there already. */
export function decorate<T>(
  controller: Type<T>,
  handler: keyof T & string,
  ...decorators: readonly MethodDecorator[]
): void {
  const prototype = controller.prototype as object;
  const descriptor = Object.getOwnPropertyDescriptor(prototype, handler)!;
  for (const each of decorators) each(prototype, handler, descriptor);
}
