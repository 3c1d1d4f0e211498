import { setTimeout as sleep } from 'node:timers/promises';
import { Admin, HonestClient, Thief, type Scene } from './clients.js';
import type { Carrier } from './door.js';

export interface Cast {
  readonly clients: number;
  readonly thieves: number;
  /** how many families an administrator ends on the way */
  readonly revocations: number;
  /** whether some clients send no key, and so rely on the leeway */
  readonly keyless?: boolean;
}

/** How many rounds thief and victim both go on for: theft is over after one, and one more for a copied key. */
const ROUNDS = 3;

/**
 * Lets everybody live while `work` goes on, then until every question has been answered, and until thieves and victims
 * have met. What they saw is in the scene's history.
 */
export async function play(scene: Scene, cast: Cast, work: () => Promise<unknown>): Promise<HonestClient[]> {
  const clients = Array.from({ length: cast.clients }, (_, index) => clientOf(scene, index, cast));
  for (const client of clients) while (!client.held) await client.login(scene.random.of(scene.doors));
  const thieves = Array.from({ length: cast.thieves }, (_, index) => new Thief(scene, `thief ${index}`));
  const end = new AbortController();
  const lives = [
    ...clients.map((client) => client.live(end.signal)),
    ...thieves.map((thief) => steal(scene, thief, clients, end.signal)),
    revoke(scene, clients, cast.revocations, end.signal),
  ];
  try {
    await work();
  } finally {
    end.abort();
    await Promise.all(lives);
  }
  await Promise.all(clients.map((client) => client.settle()));
  await goOn(scene, clients, thieves);
  return clients;
}

const HABITS: readonly { carrier: Carrier; usesKeys: boolean }[] = [
  { carrier: 'body', usesKeys: true },
  { carrier: 'cookie', usesKeys: true },
  { carrier: 'body', usesKeys: false },
];

function clientOf(scene: Scene, index: number, { keyless = false }: Cast): HonestClient {
  return new HonestClient(scene, `client ${index}`, HABITS[index % (keyless ? 3 : 2)]!);
}

async function steal(
  scene: Scene,
  thief: Thief,
  victims: readonly HonestClient[],
  signal: AbortSignal,
): Promise<void> {
  const { random, doors, pause } = scene;
  await sleep(random.between(pause, 4 * pause));
  const victim = random.of(victims);
  while (!thief.copy(victim, doors[0]!, random.chance(0.5))) {
    if (signal.aborted) return;
    await sleep(pause);
  }
  while (!signal.aborted) {
    await sleep(random.between(0, 2 * pause));
    const answer = await thief.refresh(random.of(doors));
    if (answer.outcome === 'refused') return;
  }
}

async function revoke(
  scene: Scene,
  clients: readonly HonestClient[],
  count: number,
  signal: AbortSignal,
): Promise<void> {
  const { random, doors, pause } = scene;
  const admin = new Admin(scene);
  for (let done = 0; done < count; done++) {
    await sleep(random.between(pause, 3 * pause));
    const { family } = random.of(clients);
    while (!signal.aborted && (await admin.revoke(random.of(doors), family)).outcome === 'unknown') {
      await sleep(50);
    }
    if (signal.aborted) return;
  }
}

/**
 * Each stolen family: thief and victim in turn, more than a leeway apart. A thief that has been caught by now steals once
 * more, so that no run ends without a theft that only its lateness can tell.
 */
async function goOn(
  scene: Scene,
  clients: readonly HonestClient[],
  thieves: readonly Thief[],
): Promise<void> {
  for (const thief of thieves) {
    const holders = clients.filter(({ held }) => held !== undefined);
    if (!thief.held && holders.length > 0) thief.copy(scene.random.of(holders), scene.doors[0]!, false);
  }
  for (let round = 0; round < ROUNDS && thieves.length > 0; round++) {
    await sleep(scene.leeway + 50);
    for (const thief of thieves) if (thief.held) await thief.refresh(scene.doors[0]!);
    await sleep(scene.leeway + 50);
    const victims = clients.filter(
      ({ family, held }) => held && thieves.some((one) => one.family === family),
    );
    await Promise.all(victims.map((victim) => victim.settle()));
  }
}
