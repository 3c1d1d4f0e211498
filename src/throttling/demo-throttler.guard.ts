import { Injectable, type ExecutionContext } from '@nestjs/common';
import { TokenThrottlerGuard, type ThrottledRequest } from 'nestjs-token-family/throttler';
import { LoginController } from '../users/login.controller.js';

/** Counts logins by the name they try as well: guessing at one password from many addresses is slow, too. */
@Injectable()
export class DemoThrottlerGuard extends TokenThrottlerGuard {
  protected override subjectOf({ body }: ThrottledRequest, context: ExecutionContext): string | null {
    if (context.getClass() !== LoginController) return null;
    const { username } = (body ?? {}) as Record<string, unknown>;
    return typeof username === 'string' ? username : null;
  }
}
