import type { AddressInfo } from 'node:net';
import { NestFactory } from '@nestjs/core';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import type { INestApplication } from '@nestjs/common';
import type { OpenAPIObject } from '@nestjs/swagger';
import { Validator } from '@seriousme/openapi-schema-validator';
import { AppModule } from '../../src/app.module.js';
import { migrate } from '../../src/database/data-source.js';
import { serveDocs } from '../../src/docs/serve-docs.js';
import { readSettings } from '../../src/settings.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { startDemo } from '../support/demo-process.js';
import { send, type Answer } from '../support/http.js';
import { faultsOf, operationsOf } from './conformity.js';

const REVOCATIONS_SECRET = 'a-secret-of-thirty-two-letters-or-more';

describe.each(['express', 'fastify'] as const)('the docs of the demo on %s', (adapter) => {
  let database: TestDatabase;
  let app: INestApplication;
  let url: string;
  let document: OpenAPIObject;
  beforeAll(async () => {
    database = await createDatabase({ empty: true });
    await migrate(database.url);
    const settings = readSettings({ REVOCATIONS_SECRET, ISSUER: 'https://demo.test' });
    const server = adapter === 'fastify' ? new FastifyAdapter() : new ExpressAdapter();
    app = await NestFactory.create(AppModule.create(settings, database.url), server, {
      logger: false,
      abortOnError: false,
    });
    serveDocs(app);
    await app.listen(0, '127.0.0.1');
    url = `http://127.0.0.1:${(app.getHttpServer().address() as AddressInfo).port}`;
    document = (await send(`${url}/docs-json`)).body as unknown as OpenAPIObject;
  });
  afterAll(async () => {
    await app?.close();
    await database?.drop();
  });

  const login = (json: object): Promise<Answer> => send(`${url}/auth/login`, { json });
  /** But for headers of the demo's own, of which nothing is said. */
  const conforms = (name: string, answer: Answer): void => {
    const faults = faultsOf(answer, operationsOf(document).get(name)!, document);
    expect(faults.filter((fault) => !/^header \S+ is not described$/.test(fault))).toEqual([]);
  };

  test('are a page that loads everything from this server', async () => {
    const page = await fetch(`${url}/docs`);
    const html = await page.text();
    expect([page.status, page.headers.get('content-type')]).toEqual([
      200,
      expect.stringMatching(/^text\/html/),
    ]);
    const loaded = [...html.matchAll(/(?:src|href)=["']([^"'#]+)["']/g)].map(([, address]) => address!);
    expect(loaded.length).toBeGreaterThan(4);
    for (const address of loaded) {
      const { origin } = new URL(address, `${url}/docs`);
      const { status } = await fetch(new URL(address, `${url}/docs`));
      expect([address, origin, status]).toEqual([address, url, 200]);
    }
  });

  test('keep no token in the browser, and send the document to nobody', async () => {
    const script = await (await fetch(`${url}/docs/swagger-ui-init.js`)).text();
    expect(script).toContain('"persistAuthorization": false');
    expect(script).toContain('"validatorUrl": null');
  });

  test('are a valid document of all routes, in which each has its summary', async () => {
    const { valid, errors } = await new Validator().validate(structuredClone(document) as never);
    expect({ valid, errors }).toEqual({ valid: true, errors: undefined });
    const operations = operationsOf(document);
    expect([...operations.keys()]).toEqual(
      expect.arrayContaining([
        'POST /auth/login',
        'POST /auth/refresh',
        'POST /oauth/token',
        'GET /me',
        'GET /health/live',
        'GET /health/ready',
        'GET /metrics',
      ]),
    );
    expect([...operations].filter(([, { summary }]) => !summary)).toEqual([]);
  });

  test('are served by the demo as it is built and started', async () => {
    const demo = await startDemo({ DATABASE_URL: database.url, HTTP_ADAPTER: adapter });
    try {
      expect((await fetch(`${demo.url}/docs`)).status).toBe(200);
      expect((await send(`${demo.url}/docs-json`)).body).toEqual(document);
    } finally {
      await demo.stop();
    }
  });

  test('are what login and /me answer', async () => {
    const good = await login({ username: 'alice', password: 'wonderland' });
    conforms('POST /auth/login', good);
    conforms('POST /auth/login', await login({ username: 'alice', password: 'wrong' }));
    conforms('POST /auth/login', await login({}));
    const authorization = `Bearer ${String(good.body['access_token'])}`;
    const me = await send(`${url}/me`, { headers: { authorization } });
    expect([good.status, me.status]).toEqual([200, 200]);
    conforms('GET /me', me);
    conforms('GET /me', await send(`${url}/me`));
  });

  test('are what a probe and a scrape are answered', async () => {
    conforms('GET /health/live', await send(`${url}/health/live`));
    conforms('GET /health/ready', await send(`${url}/health/ready`));
    const { status, headers } = await fetch(`${url}/metrics`);
    const content = operationsOf(document).get('GET /metrics')!.responses[status]!.content!;
    expect(Object.keys(content)).toEqual([headers.get('content-type')!.split(';', 1)[0]]);
  });
});
