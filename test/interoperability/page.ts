import { readFileSync } from 'node:fs';
import type { Comparison } from './comparison.js';
import { own, standing, type Differences } from './differences.js';
import type { Aspect, Observation } from './observation.js';
import { REASONS, type Reason } from './reasons.js';

const COMMAND = 'CONFORMANCE=write npx jest test/interoperability/comparison';

const PACKAGE = 'node_modules/oidc-provider/package.json';

/** docs/conformance.md, from what was observed. */
export function pageOf(comparisons: readonly Comparison[]): string {
  const { version } = JSON.parse(readFileSync(PACKAGE, 'utf8')) as { version: string };
  const differing = comparisons.filter(isOfItsOwn);
  const same = comparisons.filter((each) => !isOfItsOwn(each));
  return `# Conformance

${comparisons.length} requests to the endpoints of RFC 6749, RFC 7009 and RFC 7662, as they should be and as they should not, were sent to one
of our nodes on Express, to one on Fastify, and to [oidc-provider](https://github.com/panva/node-oidc-provider) ${version}, which is certified
and set up as alike as it can be: the same clients, rotation at every use, no leeway. Compared were the status, \`error\`,
\`WWW-Authenticate\`, \`Cache-Control\`, the content type, the members of a success, and whether the tokens were still good afterwards.

To ${same.length} of them the answers are the same; to ${differing.length} they are not, for the reasons below. \`test/interoperability\` fails when an answer differs
that is not listed, and when a listed one does not. Written by \`${COMMAND}\`.

${Object.keys(REASONS)
  .map((reason) => sectionOf(reason as Reason, comparisons))
  .join('\n')}
## The same

Apart from what is said above of all answers of a kind.

${table([
  ['Endpoint', 'Request', 'Answer', 'The session then'],
  ...same.map(({ it, ours: { express } }) => [it.to, it.title, answer(express), express.login]),
])}
`;
}

function isOfItsOwn({ it }: Comparison): boolean {
  return [own(it, 'express'), own(it, 'fastify')].some((differences) => Object.keys(differences).length > 0);
}

function sectionOf(reason: Reason, comparisons: readonly Comparison[]): string {
  const { title, text } = REASONS[reason];
  const rows = [...standingRows(reason, comparisons), ...ownRows(reason, comparisons)];
  return `## ${title}

${text}

${table([['Endpoint', 'Request', 'We', 'oidc-provider'], ...rows])}
`;
}

/** A row for each kind of answer, with the number of its requests. */
function standingRows(reason: Reason, comparisons: readonly Comparison[]): string[][] {
  const counts = new Map<string, number>();
  for (const { it, ours, theirs } of comparisons) {
    const aspects = aspectsOf(reason, standing(it, ours.express, theirs));
    if (aspects.length === 0) continue;
    const kind = JSON.stringify([it.to, describe(ours.express, aspects), describe(theirs, aspects)]);
    counts.set(kind, (counts.get(kind) ?? 0) + 1);
  }
  return [...counts].map(([kind, count]) => {
    const [to, ours, theirs] = JSON.parse(kind) as [string, string, string];
    return [to, `${count} of them`, ours, theirs];
  });
}

function ownRows(reason: Reason, comparisons: readonly Comparison[]): string[][] {
  return comparisons.flatMap(({ it, ours: { express, fastify }, theirs }) => {
    const on = {
      express: aspectsOf(reason, own(it, 'express')),
      fastify: aspectsOf(reason, own(it, 'fastify')),
    };
    const aspects = [...new Set([...on.express, ...on.fastify])];
    if (aspects.length === 0) return [];
    const texts = [describe(express, aspects), describe(fastify, aspects)];
    const ours = texts[0] === texts[1] ? texts[0]! : `Express: ${texts[0]!}; Fastify: ${texts[1]!}`;
    return [[it.to, it.title, ours, describe(theirs, aspects)]];
  });
}

function aspectsOf(reason: Reason, differences: Differences): Aspect[] {
  const entries = Object.entries(differences) as [Aspect, Reason][];
  return entries.filter(([, each]) => each === reason).map(([aspect]) => aspect);
}

function describe(observed: Observation, aspects: readonly Aspect[]): string {
  const isOtherStatus = aspects.includes('status') || aspects.includes('error');
  const parts: Record<Aspect, string> = {
    status: answer(observed),
    error: aspects.includes('status') ? '' : answer(observed),
    challenge: observed.challenge === '' ? 'no challenge' : `\`WWW-Authenticate: ${observed.challenge}\``,
    caching: observed.caching === '' ? 'no `Cache-Control`' : `\`${observed.caching}\``,
    type: observed.type === '' ? 'no type' : `\`${observed.type}\``,
    says: isOtherStatus ? '' : observed.says,
    members: isOtherStatus || aspects.includes('says') ? '' : `\`${observed.members}\``,
    login: `session ${observed.login}`,
    accessToken: `access token ${observed.accessToken}`,
  };
  return aspects
    .map((aspect) => parts[aspect])
    .filter((part) => part !== '')
    .join(', ');
}

function answer({ status, error, says }: Observation): string {
  const line = `\`${`${status} ${error}`.trim()}\``;
  return says === '' ? line : `${line}, ${says}`;
}

/** As Prettier would have it. */
function table(rows: readonly (readonly string[])[]): string {
  const cells = rows.map((row) => row.map((cell) => cell.replaceAll('|', '\\|')));
  const widths = cells[0]!.map((_, column) => Math.max(3, ...cells.map((row) => row[column]!.length)));
  const line = (row: readonly string[], fill: string): string =>
    `| ${row.map((cell, column) => cell.padEnd(widths[column]!, fill)).join(' | ')} |`;
  const [head, ...body] = cells;
  return [
    line(head!, ' '),
    line(
      head!.map(() => ''),
      '-',
    ),
    ...body.map((row) => line(row, ' ')),
  ].join('\n');
}
