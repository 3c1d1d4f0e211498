import type { Fault } from '../fault.js';
import { answerFaults } from './answers.js';
import { clientFaults } from './client.js';
import { databaseFaults } from './database.js';
import { linkFaults } from './links.js';
import { randomFaults } from './nemesis.js';
import { processFaults } from './processes.js';

/** Those that need nothing but Node and the embedded PostgreSQL, in the order in which they run. */
export const FAULTS: readonly Fault[] = [
  ...answerFaults,
  ...processFaults,
  ...linkFaults,
  ...databaseFaults,
  ...randomFaults,
  ...clientFaults,
];
