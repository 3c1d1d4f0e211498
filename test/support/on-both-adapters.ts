import { createDatabase, type TestDatabase } from './database.js';
import { startNode, type Adapter, type NodeSettings, type TestNode } from './node.js';

export interface Fixture {
  database: TestDatabase;
  node: TestNode;
}

/** Runs the same rules against a node on Express and one on Fastify, each with a database of its own. */
export function onBothAdapters(
  settings: Omit<NodeSettings, 'url' | 'adapter'>,
  rules: (fixture: Fixture, adapter: Adapter) => void,
): void {
  describe.each(['express', 'fastify'] as const)('on %s', (adapter) => {
    const fixture = {} as Fixture;
    beforeAll(async () => {
      fixture.database = await createDatabase();
      fixture.node = await startNode({ ...settings, url: fixture.database.url, adapter });
    });
    afterAll(async () => {
      await fixture.node?.close();
      await fixture.database?.drop();
    });
    rules(fixture, adapter);
  });
}
