import { NestFactory } from '@nestjs/core';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { AppModule } from './app.module.js';
import { migrate } from './database/data-source.js';
import { demoDataDirectory, resolveDatabaseUrl } from './database/database-url.js';
import { readSettings } from './settings.js';
import { welcome } from './welcome.js';

async function main(): Promise<void> {
  const settings = readSettings(process.env);
  const database = await resolveDatabaseUrl(process.env, { dataDirectory: demoDataDirectory });
  await migrate(database.url);
  const adapter = settings.adapter === 'fastify' ? new FastifyAdapter() : new ExpressAdapter();
  const app = await NestFactory.create(AppModule.create(settings, database.url), adapter, {
    logger: ['fatal', 'error', 'warn'],
    abortOnError: false,
  });
  // The embedded database goes with the process: its watchdog sees to that, however the process ends.
  app.enableShutdownHooks();
  await app.listen(settings.port);
  console.log(welcome((await app.getUrl()).replace('[::1]', 'localhost')));
}

main().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error);
  process.exit(1);
});
