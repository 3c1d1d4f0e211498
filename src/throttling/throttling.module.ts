import { Module, type ExecutionContext } from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import { ThrottlerModule } from '@nestjs/throttler';
import { LoginController } from '../users/login.controller.js';
import { DemoThrottlerGuard } from './demo-throttler.guard.js';

/** milliseconds */
const MINUTE = 60_000;

/** What a demo bears. Reading is not limited: what it costs, an access token has to be good for. */
@Module({
  imports: [
    ThrottlerModule.forRoot({
      skipIf: (context) => context.switchToHttp().getRequest<{ method: string }>().method === 'GET',
      throttlers: [
        // Six rotations a minute are possible; the others are repeats of tabs and of lost answers.
        { name: 'family', ttl: MINUTE, limit: 60 },
        { name: 'subject', ttl: MINUTE, limit: atLogin(10, 600) },
        { name: 'address', ttl: MINUTE, limit: atLogin(60, 300) },
      ],
    }),
  ],
  providers: [{ provide: APP_GUARD, useClass: DemoThrottlerGuard }],
})
export class ThrottlingModule {}

function atLogin(limit: number, elsewhere: number): (context: ExecutionContext) => number {
  return (context) => (context.getClass() === LoginController ? limit : elsewhere);
}
