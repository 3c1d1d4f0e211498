import type { Observation } from './fault.js';

/** The closing table, as docs/faults.md keeps it. */
export function markdown(observations: readonly Observation[]): string {
  const rows = observations
    .toSorted((left, right) => order(left.fault.id) - order(right.fault.id))
    .map(({ fault, observed }) => [fault.id, fault.how, fault.guarantee, observed].map(cell));
  const lines = [
    ['Fault', 'How it is injected', 'What must hold', 'Observed'],
    ['-', '-', '-', '-'],
    ...rows,
  ];
  return `# Faults

What was done to a cluster of node processes on one PostgreSQL, and what came of it. Every history was checked as in
\`test/cluster/checker.ts\`. Written by \`npm run test:cluster -- --write\`.

${lines.map((line) => `| ${line.join(' | ')} |`).join('\n')}
`;
}

/** F2 before F10, what has no number after them, and C1 to C7 last. */
function order(id: string): number {
  const [, kind, number] = /^([FC])(\d+)/.exec(id) ?? [];
  return kind === undefined ? 1_000 : Number(number) + (kind === 'C' ? 2_000 : 0);
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('\n', '<br>');
}
