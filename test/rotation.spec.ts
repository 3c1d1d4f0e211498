import { createHash } from 'node:crypto';
import type { Family } from '../libs/auth/src/core/family.js';
import {
  decideRotation,
  MAX_ADVANCE,
  type Moment,
  type Presented,
  type Verdict,
} from '../libs/auth/src/core/rotation.js';

const NOW = Date.UTC(2026, 0, 1);
const LEEWAY = 10_000;
const HOUR = 3_600_000;
const hashOf = (text: string) => createHash('sha256').update(text).digest();

/** Three rotations old, the last of them long ago; its parent was spent with an Idempotency-Key. */
const family: Family = {
  familyId: '0194fde8-9000-7000-8000-000000000001',
  subject: 'alice',
  clientId: 'web',
  generation: 3,
  rootHash: hashOf('root'),
  stepHash: hashOf('step 3'),
  parentHash: hashOf('step 2'),
  attemptHash: hashOf('key of 2'),
  keyId: 1,
  issuedAt: NOW - 24 * HOUR,
  rotatedAt: NOW - HOUR,
  idleExpiresAt: NOW + HOUR,
  expiresAt: NOW + 24 * HOUR,
  revokedAt: null,
  revocationReason: null,
  scope: null,
  claims: null,
  device: null,
};

const current: Presented = {
  generation: 3,
  rootHash: hashOf('root'),
  stepHash: hashOf('step 3'),
  clientId: 'web',
  attemptHash: null,
};
const parent: Presented = { ...current, generation: 2, stepHash: hashOf('step 2') };
const grandparent: Presented = { ...current, generation: 1, stepHash: hashOf('step 1') };
const later = (by: number): Presented => ({ ...current, generation: 3 + by, stepHash: hashOf('step later') });
const keyed = (presented: Presented): Presented => ({ ...presented, attemptHash: hashOf('key of 2') });
const otherKey = (presented: Presented): Presented => ({ ...presented, attemptHash: hashOf('another key') });
const wrongStep = (presented: Presented): Presented => ({ ...presented, stepHash: hashOf('no step') });
const wrongRoot = (presented: Presented): Presented => ({ ...presented, rootHash: hashOf('no root') });
const otherClient = (presented: Presented): Presented => ({ ...presented, clientId: 'phone' });

/** The current token was born `age` milliseconds before the presentation. */
const aged = (age: number): Partial<Family> => ({ rotatedAt: NOW - age });
const justLogged: Partial<Family> = {
  generation: 0,
  stepHash: hashOf('step 0'),
  parentHash: null,
  attemptHash: null,
  rotatedAt: NOW,
};
const first: Presented = { ...current, generation: 0, stepHash: hashOf('step 0') };
const revoked: Partial<Family> = { revokedAt: NOW - HOUR, revocationReason: 'logout' };
const expired: Partial<Family> = { expiresAt: NOW };
const idle: Partial<Family> = { idleExpiresAt: NOW };

/** `rotate`, `retry leeway`, `refuse unknown`: a verdict in its words. */
function judge(
  presented: Presented,
  row: Partial<Family> | null = {},
  leeway = LEEWAY,
  moment: Moment = { now: NOW, presentedAt: NOW },
): string {
  return words(decideRotation(presented, row && { ...family, ...row }, { leeway }, moment));
}

function words(verdict: Verdict): string {
  switch (verdict.kind) {
    case 'retry':
      return `retry ${verdict.proof}`;
    case 'refuse':
      return `refuse ${verdict.reason}`;
    case 'rotate':
    case 'repeat':
    case 'advance':
    case 'reuse':
      return verdict.kind;
  }
}

type Case = [title: string, verdict: string, presented: Presented, row?: Partial<Family> | null];

describe('every row of the table', () => {
  test.each<Case>([
    ['a token of no known family', 'refuse unknown', current, null],
    ['a token with another root', 'refuse forged', wrongRoot(current)],
    ['the current token of a revoked family', 'refuse revoked', current, revoked],
    ['the current token from another client', 'refuse client_mismatch', otherClient(current)],
    ['the current token of an expired family', 'refuse expired', current, expired],
    ['the current token of an idle family', 'refuse idle', current, idle],
    ['the current token within the leeway of its birth', 'repeat', current, aged(1)],
    ['the first token right after the login', 'rotate', first, justLogged],
    ['the current token with the key that consumed its parent', 'refuse key_reused', keyed(current)],
    ['the current token without a key', 'rotate', current],
    ['the current token with a fresh key', 'rotate', otherKey(current)],
    [
      'the current token with a key where its parent had none',
      'rotate',
      keyed(current),
      { attemptHash: null },
    ],
    ['the parent within the leeway', 'retry leeway', parent, aged(1)],
    ['the parent within the leeway, with another key', 'retry leeway', otherKey(parent), aged(1)],
    ['the parent within the leeway, with its key', 'retry leeway', keyed(parent), aged(1)],
    ['the parent later, with the key that consumed it', 'retry idempotency_key', keyed(parent)],
    ['the parent later, without a key', 'reuse', parent],
    ['the parent later, with another key', 'reuse', otherKey(parent)],
    ['the parent later, keyless as the request that consumed it', 'reuse', parent, { attemptHash: null }],
    ['the parent later, with a key where none consumed it', 'reuse', keyed(parent), { attemptHash: null }],
    ['the next generation', 'advance', later(1)],
    ['the last generation that is followed', 'advance', later(MAX_ADVANCE)],
    ['one generation more', 'refuse ahead', later(MAX_ADVANCE + 1)],
    ['the last generation there is', 'refuse ahead', { ...current, generation: 2 ** 31 - 1 }],
    ['the grandparent', 'reuse', grandparent],
    ['the grandparent within the leeway', 'reuse', grandparent, aged(1)],
    ['the grandparent with the key', 'reuse', keyed(grandparent)],
    ['a wrong step at the current generation', 'reuse', wrongStep(current)],
    ['a wrong step at the current generation within the leeway', 'reuse', wrongStep(current), aged(1)],
    ['a wrong step at the current generation, with the key', 'reuse', wrongStep(keyed(current))],
    ["a wrong step at the parent's generation within the leeway", 'reuse', wrongStep(parent), aged(1)],
    ["a wrong step at the parent's generation, with the key", 'reuse', wrongStep(keyed(parent))],
    ['a parent where the row has none', 'reuse', parent, { parentHash: null }],
    ['the first token again, two rotations later', 'reuse', first, { generation: 2 }],
  ])('%s: %s', (_, verdict, presented, row = {}) => {
    expect(judge(presented, row)).toBe(verdict);
  });

  test('a token is followed over eight lost commits', () => {
    expect(MAX_ADVANCE).toBe(8);
  });
});

describe('the first line that applies decides', () => {
  const all = { ...revoked, ...expired, ...idle };
  const worst = otherClient(wrongStep(current));
  test.each<Case>([
    ['unknown, before a wrong root', 'refuse unknown', wrongRoot(current), null],
    ['a wrong root, before all that follows', 'refuse forged', wrongRoot(worst), all],
    ['a wrong root, before reuse', 'refuse forged', wrongRoot(grandparent)],
    ['a wrong root, before advance', 'refuse forged', wrongRoot(later(1))],
    ['revoked, before another client', 'refuse revoked', worst, all],
    ['revoked, before reuse', 'refuse revoked', grandparent, revoked],
    ['revoked, before repeat', 'refuse revoked', current, { ...revoked, ...aged(1) }],
    ['revoked, before retry', 'refuse revoked', keyed(parent), revoked],
    ['another client, before an end', 'refuse client_mismatch', worst, { ...expired, ...idle }],
    ['another client, before reuse', 'refuse client_mismatch', otherClient(grandparent)],
    ['another client, before advance', 'refuse client_mismatch', otherClient(later(1))],
    ['another client, before retry', 'refuse client_mismatch', otherClient(parent), aged(1)],
    ['expired, before idle', 'refuse expired', current, { ...expired, ...idle }],
    ['expired, before reuse', 'refuse expired', grandparent, expired],
    ['expired, before repeat', 'refuse expired', current, { ...expired, ...aged(1) }],
    ['idle, before reuse', 'refuse idle', grandparent, idle],
    ['idle, before retry', 'refuse idle', parent, { ...idle, ...aged(1) }],
    ['repeat, before a key used twice', 'repeat', keyed(current), aged(1)],
  ])('%s: %s', (_, verdict, presented, row = {}) => {
    expect(judge(presented, row)).toBe(verdict);
  });
});

describe('boundaries, to the millisecond', () => {
  test.each<[string, string, Presented, Partial<Family>]>([
    ['the current token one millisecond before the leeway ends', 'repeat', current, aged(LEEWAY - 1)],
    ['the current token as the leeway ends', 'rotate', current, aged(LEEWAY)],
    ['the parent one millisecond before the leeway ends', 'retry leeway', parent, aged(LEEWAY - 1)],
    ['the parent as the leeway ends', 'reuse', parent, aged(LEEWAY)],
    ['one millisecond before the absolute end', 'rotate', current, { expiresAt: NOW + 1 }],
    ['the absolute end itself', 'refuse expired', current, { expiresAt: NOW }],
    ['one millisecond before the idle end', 'rotate', current, { idleExpiresAt: NOW + 1 }],
    ['the idle end itself', 'refuse idle', current, { idleExpiresAt: NOW }],
  ])('%s: %s', (_, verdict, presented, row = {}) => {
    expect(judge(presented, row)).toBe(verdict);
  });
});

describe('leeway 0 is strict', () => {
  test.each<[string, string, Presented]>([
    ['the current token at its birth', 'rotate', current],
    ['the current token at its birth, with the key of its parent', 'refuse key_reused', keyed(current)],
    ['the parent at once', 'reuse', parent],
    ['the parent at once, with its key', 'retry idempotency_key', keyed(parent)],
  ])('%s: %s', (_, verdict, presented) => {
    expect(judge(presented, aged(0), 0)).toBe(verdict);
  });
});

const waited = (ms: number): Moment => ({ now: NOW, presentedAt: NOW - ms });

describe('our own waiting', () => {
  test('a parent read within the leeway and judged after it gets the same answer', () => {
    expect(judge(parent, aged(LEEWAY + 4_000), LEEWAY, waited(4_001))).toBe('retry leeway');
    expect(judge(parent, aged(LEEWAY + 4_000), LEEWAY, waited(4_000))).toBe('reuse');
  });

  test('a parent read before the rotation that consumed it gets the same answer', () => {
    expect(judge(parent, aged(1_000), LEEWAY, waited(20_000))).toBe('retry leeway');
  });

  test('with leeway 0, too, a parent read before that rotation gets the same answer', () => {
    expect(judge(parent, aged(1_000), 0, waited(1_001))).toBe('retry leeway');
    expect(judge(parent, aged(1_000), 0, waited(1_000))).toBe('reuse');
  });

  test('an end is judged by the clock itself: waiting does not lengthen a life', () => {
    expect(judge(current, expired, LEEWAY, waited(5_000))).toBe('refuse expired');
    expect(judge(current, idle, LEEWAY, waited(5_000))).toBe('refuse idle');
  });

  test('a row that is younger than the moment of judging is within the leeway', () => {
    expect(judge(current, aged(-5))).toBe('repeat');
    expect(judge(parent, aged(-5))).toBe('retry leeway');
  });
});
