import { NestFactory } from '@nestjs/core';
import { ExpressAdapter } from '@nestjs/platform-express';

/*
 * The demo as built, and before it one layer that answers late when it is asked to: a leak of a known size. In JavaScript,
 * without tsx, under which the package's name would lead to the sources, and those have no metadata to inject by.
 */
const built = (path) => import(new URL(`../../dist/src/${path}`, import.meta.url).href);
const [{ AppModule }, { readSettings }, { migrate }] = await Promise.all(
  ['app.module.js', 'settings.js', 'database/data-source.js'].map(built),
);

const url = process.env.DATABASE_URL;
await migrate(url);
const app = await NestFactory.create(AppModule.create(readSettings(process.env), url), new ExpressAdapter(), {
  logger: false,
  abortOnError: false,
});
app.use((request, _, next) => {
  const until = process.hrtime.bigint() + BigInt(Number(request.headers['x-leak'] ?? 0)) * 1000n;
  while (process.hrtime.bigint() < until);
  next();
});
await app.listen(0, '127.0.0.1');
process.on('disconnect', () => process.exit());
process.send(app.getHttpServer().address().port);
