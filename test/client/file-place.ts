import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bundle, type Program } from './programs.js';

/** Where the file of one test is, and the program whose processes share it. */
export interface FilePlace {
  directory: string;
  path: string;
  program: Program;
}

/** Makes a place for each test of the file that calls this, and clears it away. */
export function useFilePlace(): FilePlace {
  const place = {} as FilePlace;
  beforeAll(async () => {
    place.program = await bundle('file-storage.program.ts');
  });
  afterAll(() => place.program.remove());
  beforeEach(async () => {
    place.directory = await mkdtemp(join(tmpdir(), 'file-storage-'));
    place.path = join(place.directory, 'session');
  });
  afterEach(() => rm(place.directory, { recursive: true, force: true }));
  return place;
}
