import { Proxy } from '../proxy.js';
import { caughtUp, promote, type PostgresCopy, type Seed } from './postgres-copies.js';

/** A primary, its streaming standby, and the one address by which nodes know the database. */
export interface Replicated {
  readonly primary: PostgresCopy;
  readonly standby: PostgresCopy;
  /** by the address, which leads to the primary at first */
  readonly databaseUrl: string;
  /** Everything committed until now is on the standby; nothing after it will be. */
  stopReplication(): Promise<void>;
  /** The standby takes over, and the address of the database leads to it. The old primary stays as it is. */
  failOver(): Promise<void>;
  /** From now on the address of the database leads there. */
  leadTo(server: PostgresCopy): void;
  close(): Promise<void>;
}

interface ReplicatedSettings {
  readonly primarySettings?: Readonly<Record<string, string>>;
  readonly standbySettings?: Readonly<Record<string, string>>;
}

export async function startReplicated(
  seed: Seed,
  { primarySettings = {}, standbySettings = {} }: ReplicatedSettings = {},
): Promise<Replicated> {
  const opened: { close(): Promise<void> }[] = [];
  const opening = async <T extends { close(): Promise<void> }>(promised: Promise<T>): Promise<T> => {
    const one = await promised;
    opened.unshift(one);
    return one;
  };
  const close = async (): Promise<void> => {
    for (const one of opened) await one.close();
  };
  try {
    const primary = await opening(seed.start({ settings: primarySettings }));
    const link = await opening(Proxy.listen(() => primary.port));
    const standby = await opening(seed.start({ standbyOf: link.port, settings: standbySettings }));
    await caughtUp(primary, standby);
    let leadsTo = primary.port;
    const address = await opening(Proxy.listen(() => leadsTo));
    const leadTo = ({ port }: PostgresCopy): void => {
      leadsTo = port;
      address.reset();
    };
    return {
      primary,
      standby,
      databaseUrl: seed.urlOf(address.port),
      stopReplication: async () => {
        await caughtUp(primary, standby);
        link.refuse();
        link.reset();
      },
      failOver: async () => {
        await promote(standby);
        leadTo(standby);
      },
      leadTo,
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}
