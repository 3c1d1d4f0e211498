import type { DynamicModule, INestApplication } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import type { CorsSettings } from 'nestjs-token-family';
import { closeConnectionsWhenStopped } from './operations/closing-connections.js';
import type { ListenSettings } from './settings.js';

/**
 * Starts an application.
 *
 * @param cors left out: no page of another origin reads an answer
 * @param docs serves the description of its routes
 * @returns the address it listens on
 */
export async function listen(
  module: DynamicModule,
  settings: ListenSettings,
  cors?: CorsSettings,
  docs?: (app: INestApplication) => void,
): Promise<string> {
  const adapter = settings.adapter === 'fastify' ? new FastifyAdapter() : new ExpressAdapter();
  const app = await NestFactory.create(module, adapter, {
    logger: ['fatal', 'error', 'warn'],
    abortOnError: false,
  });
  // The embedded database goes with the process: its watchdog sees to that, however the process ends.
  app.enableShutdownHooks();
  closeConnectionsWhenStopped(app.getHttpServer());
  if (cors) app.enableCors(cors);
  docs?.(app);
  await app.listen(settings.port);
  return (await app.getUrl()).replace('[::1]', 'localhost');
}

/** The first error a newcomer meets is one line that says what to do, not a stack. */
export function run(main: () => Promise<void>): void {
  main().catch((error: unknown) => {
    console.error(error instanceof Error ? error.message : error);
    process.exit(1);
  });
}
