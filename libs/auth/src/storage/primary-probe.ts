import type { DataSource } from 'typeorm';
import type { DatabaseProbe, DatabaseStanding } from '../core/ports.js';
import { PrimaryConnection, type ConnectionOptions } from './primary-connection.js';
import { ms, type Statement } from './sql.js';

/** Touches no table, takes no lock. */
const ASK: Statement = {
  name: 'token_family_probe',
  text: `select ${ms('clock_timestamp()')}, pg_is_in_recovery()`,
};

/** Asks over the pool every refresh goes through: a pool that is exhausted is down, too. */
export class PrimaryProbe implements DatabaseProbe {
  readonly #primary: PrimaryConnection;

  constructor(dataSource: DataSource, options: ConnectionOptions) {
    this.#primary = new PrimaryConnection(dataSource, options);
  }

  async ask(): Promise<DatabaseStanding> {
    const [row] = await this.#primary.run(ASK, []);
    return { now: Number(row![0]), isStandby: row![1] === 't' };
  }
}
