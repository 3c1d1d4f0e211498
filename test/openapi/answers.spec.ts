import { createDatabase } from '../support/database.js';
import { startApplication } from './application.js';
import { answersOf, faultsOf, isExample, operationsOf } from './conformity.js';
import { REQUESTS, type World } from './requests.js';

describe.each(['express', 'fastify'] as const)('on %s', (adapter) => {
  let world: World;
  beforeAll(async () => {
    const database = await createDatabase();
    const settings = { adapter, databaseUrl: database.url };
    world = {
      database,
      application: await startApplication(settings),
      stale: await startApplication({
        ...settings,
        changes: { issuer: 'ours', revocation: { pollInterval: 0.05, maxStaleness: 0.5 } },
      }),
    };
  });
  afterAll(async () => {
    await world?.application.close();
    await world?.stale.close();
    await world?.database.drop();
  });

  describe.each(Object.entries(REQUESTS))('%s', (name, requests) => {
    test.each(requests)('answers %s as the document says', async (expected, send) => {
      const { document } = world.application;
      const operation = operationsOf(document).get(name)!;
      const answer = await send(world);
      const [status = '', example] = expected.split(' ');
      expect(answer.status).toBe(Number(status));
      expect(faultsOf(answer, operation, document)).toEqual([]);
      expect(answer.status < 400 || isExample(answer, operation, example)).toBe(true);
    });
  });

  test('no answer is in the document that none of these requests gets', () => {
    const asked = Object.entries(REQUESTS).flatMap(([name, requests]) =>
      requests.map(([answer]) => `${name} ${answer}`),
    );
    const described = answersOf(world.application.document).filter((answer) =>
      Object.keys(REQUESTS).some((name) => answer.startsWith(`${name} `)),
    );
    expect(described.toSorted()).toEqual([...new Set(asked)].toSorted());
  });
});
