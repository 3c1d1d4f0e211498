import type { ExecutionContext, Type } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import { RefreshGuard } from './refresh.guard.js';

/** Where Nest keeps what `@UseGuards()` was given. */
const GUARDS = '__guards__';

/** Says of a handler that it reads a refresh token by itself; `RefreshGuard` says it of those it guards. */
export const TakesRefreshToken = Reflector.createDecorator<true>();

/** Whether a route takes a refresh token: everywhere else one is only a text that somebody has put into a request. */
export function takesRefreshToken(context: ExecutionContext): boolean {
  return [context.getHandler(), context.getClass()].some(
    (target) =>
      Reflect.getMetadata(TakesRefreshToken.KEY, target) === true || guardsOf(target).some(isRefreshGuard),
  );
}

function guardsOf(target: object): readonly unknown[] {
  return (Reflect.getMetadata(GUARDS, target) as readonly unknown[] | undefined) ?? [];
}

function isRefreshGuard(guard: unknown): boolean {
  if (guard instanceof RefreshGuard || guard === RefreshGuard) return true;
  return typeof guard === 'function' && (guard as Type).prototype instanceof RefreshGuard;
}
