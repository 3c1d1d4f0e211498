import { readFileSync, writeFileSync } from 'node:fs';
import type { Adapter } from '../support/node.js';
import { CASES, compareAll, surprises, type Comparison } from './comparison.js';
import { startOidcProvider } from './oidc-provider.js';
import { startOurNode } from './our-node.js';
import { pageOf } from './page.js';
import type { Party } from './party.js';
import { REASONS } from './reasons.js';

const PAGE = 'docs/conformance.md';
const PATIENCE = 180_000;

let parties: Party[];
let comparisons: Comparison[];
beforeAll(async () => {
  const [express, fastify, theirs] = await Promise.all([
    startOurNode('express'),
    startOurNode('fastify'),
    startOidcProvider(),
  ]);
  parties = [express, fastify, theirs];
  comparisons = await compareAll({ express, fastify }, theirs);
}, PATIENCE);
afterAll(() => Promise.all((parties ?? []).map((party) => party.close())));

test('no two cases are one', () => {
  expect(new Set(CASES.map(({ to, title }) => `${to} ${title}`)).size).toBe(CASES.length);
});

describe.each(['express', 'fastify'] satisfies Adapter[])(
  'on %s we answer as oidc-provider does, or as listed',
  (adapter) => {
    test.each(CASES.map((it, index) => [it.to, it.title, index] as const))('%s: %s', (_to, _title, index) => {
      expect(surprises(comparisons[index]!, adapter)).toEqual({});
    });
  },
);

test('docs/conformance.md is what was observed', () => {
  const page = pageOf(comparisons);
  if (process.env['CONFORMANCE'] === 'write') writeFileSync(PAGE, page);
  expect(readFileSync(PAGE, 'utf8')).toBe(page);
});

test('each reason is the reason of a difference', () => {
  const page = pageOf(comparisons);
  const sections = page.split('\n## ').slice(1, -1);
  expect(sections).toHaveLength(Object.keys(REASONS).length);
  for (const section of sections) expect(section.split('\n| ').length).toBeGreaterThan(2);
});
