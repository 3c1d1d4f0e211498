import { HonestClient } from './client.js';
import type { Command, Forgery, Run } from './commands.js';
import { violation, type ModelFamily } from './family.js';
import { forge, type Changes } from './forge.js';
import { Thief } from './thief.js';
import type { World } from './world.js';

const SUBJECTS = ['alice', 'alice', 'bob'];

const FORGERIES: Readonly<Record<Forgery, Changes>> = {
  root: { root: true },
  'root, ahead': { root: true, ahead: 2 },
  'root and step': { root: true, step: true },
  step: { step: true },
  tag: { tag: true },
};

/** Plays one run from logins to the end of every stolen family, checking the promises after each step. */
export async function play(world: World, { usesKeys, commands, victimIsSecond }: Run): Promise<void> {
  const clients = usesKeys.map((keys, index) => new HonestClient(world, SUBJECTS[index]!, keys));
  const thieves = clients.map((client) => new Thief(world, client));
  for (const client of clients) await client.login(0);
  for (const command of commands) {
    await step(world, thieves, command);
    await world.check();
  }
  world.skew = 0;
  for (const thief of thieves) await goOnBoth(world, thief, victimIsSecond);
  for (const family of world.families.values()) {
    if (family.ended !== null) await haunt(world, family, 0, 1);
  }
  await world.check();
}

async function step(world: World, thieves: readonly Thief[], command: Command): Promise<void> {
  if (command.do === 'setClock') return void (world.skew = command.days * 86_400_000);
  if (command.do === 'passTime') {
    await world.passTime(command.seconds);
    return thieves.forEach(({ victim }) => victim.timePassed());
  }
  const thief = thieves[command.who]!;
  const client = thief.victim;
  switch (command.do) {
    case 'refresh':
      await client.send(command.node);
      return client.deliver(-1, command.node, 'answered');
    case 'send':
      return client.send(command.node);
    case 'deliver':
      return client.deliver(command.index, command.node, command.fate);
    case 'deliverAll':
      return client.deliverAll(command.fates);
    case 'deliverAgain':
      return client.deliverAgain(command.node);
    case 'logout':
      return client.logout(command.node);
    case 'revokeAll':
      return world.revokeAll(client.subject, command.node);
    case 'copy':
      return thief.copy(command.withKey);
    case 'steal':
      return thief.refresh(command.node, command.key);
    case 'forge': {
      const { family } = client;
      const forged = forge(family.chain.at(-1)!, FORGERIES[command.kind]);
      return world.presentForged(family, forged, command.kind === 'step', command.node);
    }
    case 'haunt': {
      const ended = [...world.families.values()].filter((family) => family.ended !== null);
      if (ended.length > 0)
        await haunt(world, ended[command.index % ended.length]!, command.index, command.node);
    }
  }
}

/** Presents a token of a family that is over; the family itself knows that none may be accepted. */
async function haunt(world: World, family: ModelFamily, index: number, node: number): Promise<void> {
  const token = family.chain.at(-1 - (index % family.chain.length))!;
  const outcome = await world.present(family, { token, key: undefined, node, by: 'thief' });
  if (outcome.kind !== 'invalid_grant')
    throw violation(`a token of a family that is over was ${outcome.kind}`);
}

/**
 * Thief and victim both go on refreshing, more than a leeway apart. One round ends the family where the token was
 * copied alone; a key copied with it, or an answer lost before, costs one round more each.
 */
async function goOnBoth(world: World, thief: Thief, victimIsSecond: boolean): Promise<void> {
  const { victim, family } = thief;
  if (!family || family !== victim.family) return;
  const parties = [() => thief.refresh(1, 'copied'), () => victim.goOn(0)];
  if (!victimIsSecond) parties.reverse();
  for (let round = 0; round < 3 && family.isAlive(world.now); round++) {
    for (const refresh of parties) {
      await world.passTime(60);
      await refresh();
      await world.check();
    }
  }
  if (family.isAlive(world.now)) throw violation('thief and victim both went on for three rounds');
}
