import type { DataSource } from 'typeorm';
import type { DatabaseProbe } from '../core/ports.js';
import { PrimaryConnection, type ConnectionOptions } from './primary-connection.js';
import type { Statement } from './sql.js';

/** Touches no table, takes no lock. */
const ASK: Statement = { name: 'token_family_probe', text: 'select pg_is_in_recovery()' };

/** Asks over the pool every refresh goes through: a pool that is exhausted is down, too. */
export class PrimaryProbe implements DatabaseProbe {
  readonly #primary: PrimaryConnection;

  constructor(dataSource: DataSource, options: ConnectionOptions) {
    this.#primary = new PrimaryConnection(dataSource, options);
  }

  async ask(): Promise<'primary' | 'standby'> {
    const [row] = await this.#primary.run(ASK, []);
    return row?.[0] === 't' ? 'standby' : 'primary';
  }
}
