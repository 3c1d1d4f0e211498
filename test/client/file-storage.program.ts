import { once } from 'node:events';
import { readdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileStorage, FileStorageError } from 'token-family-client/file';
import { wholeText } from './whole-text.js';

export type Order =
  /** writes one text after the other, until it is killed */
  | { readonly what: 'write'; readonly path: string }
  /** says what it reads, or the code of the error */
  | { readonly what: 'read'; readonly path: string }
  /** adds so many to a number in another file, one by one, each under the lock */
  | {
      readonly what: 'count';
      readonly path: string;
      readonly number: string;
      readonly times: number;
      /** whether it leaves the lock, each time, as a process does that dies */
      readonly dying: boolean;
    }
  /** says when it has the lock, and keeps it until it is told to let it go */
  | { readonly what: 'hold'; readonly path: string; readonly timeout: number };

const order = JSON.parse(process.argv[2]!) as Order;
const storage = fileStorage(order.path);
const say = (message: unknown): void => void process.send!(message);

/** No system has so many processes. */
const DEAD = '999999999';

async function leaveToTheDead(lock: string): Promise<void> {
  const [name] = await readdir(lock);
  await rename(join(lock, name!), join(lock, name!.replace(/^\d+/, DEAD)));
}

switch (order.what) {
  case 'write':
    for (let round = 0; ; round++) {
      await storage.set(wholeText(round));
      if (round === 0) say('writing');
    }
  case 'read':
    try {
      say({ text: await storage.get() });
    } catch (error) {
      say({ code: (error as FileStorageError).code });
    }
    break;
  case 'count':
    for (let left = order.times; left > 0; left--) {
      await storage.lock(async () => {
        const number = Number(await readFile(order.number, 'utf8'));
        await sleep(Math.random());
        await writeFile(order.number, String(number + 1));
        if (order.dying) await leaveToTheDead(`${order.path}.lock`);
      }, 120_000);
    }
    break;
  case 'hold':
    await storage.lock(async () => {
      say('holding');
      await once(process, 'message');
    }, order.timeout);
    process.disconnect();
}
