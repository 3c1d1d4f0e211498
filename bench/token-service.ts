import { randomBytes } from 'node:crypto';
import { NestFactory } from '@nestjs/core';
import { applicationOn } from './application.js';
import type { Library } from './library.js';
import type { Contender } from './measure.js';
import { Queue } from './queue.js';
import { CHAINS } from './rotation-scale.js';

/** The real thing: a Nest application with AuthModule, asked to rotate one family after the other. */
export async function openTokenService(library: Library, url: string): Promise<Contender> {
  // No leeway: every call rotates, none is answered as a repeat.
  const strict = { keys: [{ id: 1, secret: randomBytes(32) }], leeway: 0 };
  const application = applicationOn(library, url, { refreshToken: strict });
  const app = await NestFactory.createApplicationContext(application, { logger: false });
  const tokens = app.get(library.TokenService);
  const logins = await Promise.all(Array.from({ length: CHAINS }, (_, n) => tokens.issue(`user-${n}`)));
  const families = new Queue(logins.map(({ refreshToken }) => ({ refreshToken })));
  async function rotate(family: { refreshToken: string }): Promise<void> {
    family.refreshToken = (await tokens.rotate(family.refreshToken)).refreshToken;
  }
  return {
    name: 'TokenService.rotate',
    once: () => families.lend(rotate),
    close: () => app.close(),
  };
}
