import { setTimeout as sleep } from 'node:timers/promises';
import { demand, type Fault, type Stage } from './fault.js';
import { ask, bearer } from './infrastructure/requests.js';
import { quantiles } from './quantiles.js';

/*
 * How long an access token is still believed after its session was ended. Counted from the answer that confirms the
 * end, on one node, to the answer that refuses the token on the last of all nodes, so both ways include HTTP.
 */

/** Seconds. */
const POLL_INTERVAL = 2;
const MAX_STALENESS = 6;
const TOLERANCE = 1;

/** With how many revocations each way is measured, and how many at once. */
const LOADS = {
  full: { revocations: 500, polledAtOnce: 50 },
  short: { revocations: 40, polledAtOnce: 20 },
};

/** A node as its clients know it. */
interface Place {
  readonly name: string;
  readonly url: string;
}

export interface Session {
  readonly sid: string;
  readonly accessToken: string;
  readonly refreshToken: string;
}

const settings = { nodes: 3, pollInterval: POLL_INTERVAL, maxStaleness: MAX_STALENESS };

export async function logIn(node: Place): Promise<Session> {
  const { status, body } = await ask(`${node.url}/test/login`, {
    method: 'POST',
    json: { subject: 'alice' },
  });
  demand(status === 200, `a login was answered ${status}`);
  return {
    sid: String(body['sid']),
    accessToken: String(body['access_token']),
    refreshToken: String(body['refresh_token']),
  };
}

/** Asks without pause, or with one, until the token is refused as revoked. @returns how many milliseconds that took */
async function untilRefused(
  node: Place,
  { accessToken }: Session,
  from: number,
  pause: number,
): Promise<number> {
  for (;;) {
    const { status } = await ask(`${node.url}/me`, bearer(accessToken));
    if (status === 401) return performance.now() - from;
    demand(performance.now() - from < 60_000, `${node.name} has not refused the token for a minute`);
    if (pause > 0) await sleep(pause);
  }
}

/** Half of the sessions are ended by their refresh token, half by the route of the session list. */
async function end(node: Place, session: Session, byList: boolean): Promise<number> {
  const { status } = byList
    ? await ask(`${node.url}/auth/sessions/${session.sid}`, {
        method: 'DELETE',
        ...bearer(session.accessToken),
      })
    : await ask(`${node.url}/auth/logout`, { method: 'POST', json: { refresh_token: session.refreshToken } });
  demand(status === 204, `the end of a session was answered ${status}`);
  return performance.now();
}

/** Milliseconds from the confirmed end of each session to its refusal on the last of the nodes. */
export async function measureCutOff(
  nodes: readonly Place[],
  count: number,
  atOnce: number,
  pause: number,
): Promise<number[]> {
  const times: number[] = [];
  const at = (turn: number): Place => nodes[turn % nodes.length]!;
  let begun = 0;
  async function work(): Promise<void> {
    while (begun < count) {
      const turn = begun++;
      const session = await logIn(at(turn));
      // Every node has it in its memory of good tokens before it ends.
      for (const node of nodes) {
        const { status } = await ask(`${node.url}/me`, bearer(session.accessToken));
        demand(status === 200, `a good token was answered ${status} by ${node.name}`);
      }
      const ended = await end(at(turn + 1), session, turn % 2 === 0);
      const each = nodes.map((node) => untilRefused(node, session, ended, pause));
      times.push(Math.max(...(await Promise.all(each))));
    }
  }
  await Promise.all(Array.from({ length: atOnce }, work));
  return times.toSorted((left, right) => left - right);
}

const inMs = (time: number): string => `${time < 10 ? time.toFixed(1) : time.toFixed(0)} ms`;

export function cutOffSummary(times: readonly number[]): string {
  const { p50, p99, max } = quantiles(times);
  return `${times.length} revocations: p50 ${inMs(p50)}, p99 ${inMs(p99)}, max ${inMs(max)}`;
}

/** Until the nodes hear of each other's revocations. */
export async function untilHearing(nodes: readonly Place[]): Promise<void> {
  for (let attempt = 0; attempt < 20; attempt++) {
    if ((await measureCutOff(nodes, 3, 1, 0)).at(-1)! < 250) return;
  }
  throw new Error('the nodes do not hear of each other');
}

const withNotify: Fault = {
  id: 'C1',
  how: `none; 3 nodes, NOTIFY, one revocation at a time`,
  guarantee: `access ends on every node within the poll interval (${POLL_INTERVAL} s) + ${TOLERANCE} s`,
  async run(stage: Stage) {
    const cluster = await stage.cluster({ ...settings, listen: true });
    await untilHearing(cluster.nodes);
    const times = await measureCutOff(cluster.nodes, LOADS[stage.form].revocations, 1, 0);
    demand(times.at(-1)! <= (POLL_INTERVAL + TOLERANCE) * 1000, `the slowest took ${inMs(times.at(-1)!)}`);
    return cutOffSummary(times);
  },
};

const withoutNotify: Fault = {
  id: 'C2',
  how: `none; 3 nodes, revocation.listen: false`,
  guarantee: `access ends on every node within the poll interval (${POLL_INTERVAL} s) + ${TOLERANCE} s`,
  async run(stage: Stage) {
    const cluster = await stage.cluster({ ...settings, listen: false });
    const { revocations, polledAtOnce } = LOADS[stage.form];
    const times = await measureCutOff(cluster.nodes, revocations, polledAtOnce, 50);
    demand(times.at(-1)! <= (POLL_INTERVAL + TOLERANCE) * 1000, `the slowest took ${inMs(times.at(-1)!)}`);
    return cutOffSummary(times);
  },
};

const lostNotification: Fault = {
  id: 'C3',
  how: 'the notification to one node is swallowed on its way',
  guarantee: `the next poll finds the revocation: within ${POLL_INTERVAL} s + ${TOLERANCE} s`,
  async run(stage: Stage) {
    const cluster = await stage.cluster({ ...settings, listen: true });
    await untilHearing(cluster.nodes);
    const [deaf, ender] = [cluster.at(0), cluster.at(1)];
    const times: number[] = [];
    for (let round = 0; round < (stage.form === 'full' ? 10 : 2); round++) {
      const session = await logIn(deaf);
      const swallowed = deaf.link.swallowNotification(session.sid);
      const ended = await end(ender, session, false);
      times.push(await untilRefused(deaf, session, ended, 1));
      await swallowed;
    }
    times.sort((left, right) => left - right);
    demand(times.at(-1)! <= (POLL_INTERVAL + TOLERANCE) * 1000, `the poll took ${inMs(times.at(-1)!)}`);
    return `${times.length} notifications lost; healed after ${inMs(times[0]!)} to ${inMs(times.at(-1)!)}`;
  },
};

const cutFromDatabase: Fault = {
  id: 'C4',
  how: 'one node is cut from PostgreSQL without a word (black hole), and sessions end elsewhere meanwhile',
  guarantee: `it refuses to judge no later than maxStaleness (${MAX_STALENESS} s) + ${TOLERANCE} s, and recovers by itself`,
  async run(stage: Stage) {
    const cluster = await stage.cluster({ ...settings, listen: true });
    const [cut, other] = [cluster.at(0), cluster.at(1)];
    const [living, ending] = [await logIn(other), await logIn(other)];
    cut.link.tcp.blackHole();
    const from = performance.now();
    await end(other, ending, false);
    const unavailable = await untilStatus(cut, living, 503, from);
    const unsafe = await ask(`${cut.url}/me`, bearer(ending.accessToken));
    cut.link.heal();
    cut.link.tcp.reset();
    const healedAt = performance.now();
    const back = await untilStatus(cut, living, 200, healedAt);
    const after = await ask(`${cut.url}/me`, bearer(ending.accessToken));
    demand(unavailable <= (MAX_STALENESS + TOLERANCE) * 1000, `503 came after ${inMs(unavailable)} only`);
    demand(unsafe.status === 503, `a revoked token was answered ${unsafe.status} by the stale node`);
    demand(after.status === 401, `a revoked token was answered ${after.status} after the recovery`);
    return `503 after ${inMs(unavailable)}; good tokens pass again ${inMs(back)} after the link was whole`;
  },
};

async function untilStatus(
  node: Place,
  { accessToken }: Session,
  status: number,
  from: number,
): Promise<number> {
  while ((await ask(`${node.url}/me`, bearer(accessToken))).status !== status) {
    demand(performance.now() - from < 60_000, `${node.name} has not answered ${status} for a minute`);
    await sleep(5);
  }
  return performance.now() - from;
}

/** What `npm run bench -- cut-off` and the table of faults say about how fast access ends. */
export const cutOffRows: readonly Fault[] = [withNotify, withoutNotify, lostNotification, cutFromDatabase];
