import { observe, type Observation } from './cluster/fault.js';
import { FAULTS } from './cluster/faults/index.js';
import { ClusterStage } from './cluster/stage.js';

const only = process.env['CLUSTER_FAULTS']?.split(',');
const faults = FAULTS.filter(({ id }) => !only || only.includes(id));

describe('Several nodes as processes, and what can happen to them', () => {
  const seed = Number(process.env['CLUSTER_SEED'] ?? Date.now() % 1_000_000);
  const stage = new ClusterStage('short', seed);
  afterAll(() => stage.close(), 30_000);

  it.each(faults.map((fault) => [`${fault.id}: ${fault.guarantee}`, fault] as const))(
    '%s',
    async (_, fault) => {
      const { result, observed, took }: Observation = await observe(fault, stage);
      if (process.env['CLUSTER_FAULTS']) console.log(fault.id, Math.round(took), observed);
      if (result === 'broken') throw new Error(`${observed}\n(CLUSTER_SEED=${seed})`);
    },
    120_000,
  );
});
