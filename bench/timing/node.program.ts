import type { AddressInfo } from 'node:net';
import type { INestApplication } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { ExpressAdapter } from '@nestjs/platform-express';

type Demo = typeof import('../../src/app.module.js') &
  typeof import('../../src/settings.js') &
  typeof import('../../src/database/data-source.js');

/** The demo as built, and before it one layer that answers late when it is asked to: a leak of a known size. */
const built = (path: string): Promise<Demo> =>
  import(new URL(`../../dist/src/${path}`, import.meta.url).href) as Promise<Demo>;
const { AppModule } = await built('app.module.js');
const { readSettings } = await built('settings.js');
const { migrate } = await built('database/data-source.js');

const url = process.env['DATABASE_URL']!;
await migrate(url);
const app: INestApplication = await NestFactory.create(
  AppModule.create(readSettings(process.env), url),
  new ExpressAdapter(),
  { logger: false, abortOnError: false },
);
app.use((request: { headers: Record<string, string> }, _: unknown, next: () => void) => {
  const until = process.hrtime.bigint() + BigInt(Number(request.headers['x-leak'] ?? 0)) * 1000n;
  while (process.hrtime.bigint() < until);
  next();
});
await app.listen(0, '127.0.0.1');
process.on('disconnect', () => process.exit());
process.send!((app.getHttpServer().address() as AddressInfo).port);
