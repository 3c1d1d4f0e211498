import { readdir } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileStorage } from 'token-family-client/file';
import type { Order } from './file-storage.program.js';
import { useFilePlace } from './file-place.js';
import type { Program } from './programs.js';
import { isWhole, wholeText } from './whole-text.js';

const ROUNDS = 25;

let directory: string;
let path: string;
let program: Program;

const place = useFilePlace();
beforeEach(() => ({ directory, path, program } = place));

test('whenever a writer is killed, a reader sees a whole text, and the next writer tidies up', async () => {
  const storage = fileStorage(path);
  let leftOver = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const writer = program.start({ what: 'write', path } satisfies Order);
    await writer.began();
    await sleep(Math.random() * 20);
    await writer.kill();
    expect(isWhole((await storage.get())!)).toBe(true);
    leftOver += (await readdir(directory)).length - 1;
    await storage.set(wholeText(round));
    expect(await readdir(directory)).toEqual(['session']);
  }
  // Else no writer was killed while it wrote, and nothing was shown.
  expect(leftOver).toBeGreaterThan(0);
}, 120_000);

test('while others write, a reader sees a whole text, each time', async () => {
  const storage = fileStorage(path);
  const writers = [1, 2].map(() => program.start({ what: 'write', path } satisfies Order));
  await Promise.all(writers.map((writer) => writer.began()));
  const seen = new Set<string>();
  for (let reading = 0; reading < 2_000; reading++) {
    const text = (await storage.get())!;
    expect(isWhole(text)).toBe(true);
    seen.add(text);
  }
  await Promise.all(writers.map((writer) => writer.kill()));
  expect(seen.size).toBeGreaterThan(1);
}, 120_000);
