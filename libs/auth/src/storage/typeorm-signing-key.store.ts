import type { DataSource } from 'typeorm';
import {
  NOTHING_TO_PUBLISH,
  type KeyStep,
  type NewSigningKey,
  type SigningKeyState,
  type StoredSigningKey,
} from '../core/key-schedule.js';
import type { ResolvedOptions } from '../core/options.js';
import type { SigningKeys, SigningKeyStore } from '../core/ports.js';
import { PrimaryConnection } from './primary-connection.js';
import { primaryTime, type Row } from './rows.js';
import { SigningKeyRecord } from './signing-key.entity.js';
import { signingKeyStatements } from './signing-key.statements.js';
import type { Statement } from './sql.js';
import { quoteTable } from './table-name.js';

/** Signing keys in PostgreSQL, on the pool of the application's own data source. */
export class TypeOrmSigningKeyStore implements SigningKeyStore {
  readonly #primary: PrimaryConnection;
  readonly #sql: ReturnType<typeof signingKeyStatements>;
  readonly #table: string;
  readonly #lockTimeout: string;

  /** @param dataSource initialised, with the entity SigningKeyRecord among its entities */
  constructor(dataSource: DataSource, { database }: Pick<ResolvedOptions, 'database'>) {
    this.#primary = new PrimaryConnection(dataSource, database);
    this.#table = quoteTable(dataSource.getMetadata(SigningKeyRecord).tablePath);
    this.#sql = signingKeyStatements(this.#table);
    this.#lockTimeout = String(Math.ceil(database.lockTimeout * 1000));
  }

  async load(): Promise<SigningKeys> {
    return readKeys(await this.#primary.run(this.#sql.load, []));
  }

  change(
    candidate: NewSigningKey | null,
    decide: (keys: readonly StoredSigningKey[], now: number) => readonly KeyStep[],
  ): Promise<SigningKeys> {
    return this.#primary.within(async (run) => {
      await run(this.#sql.lock, [this.#lockTimeout, this.#table]);
      // A statement of its own, so that its snapshot is taken after the lock: it sees what the lock waited for.
      const before = readKeys(await run(this.#sql.load, []));
      const writes = decide(before.keys, before.now).map((step) => this.#write(step, candidate));
      if (writes.length === 0) return before;
      for (const [statement, values] of writes) await run(statement, values);
      return readKeys(await run(this.#sql.load, []));
    });
  }

  #write(step: KeyStep, candidate: NewSigningKey | null): [Statement, unknown[]] {
    switch (step.kind) {
      case 'publish': {
        if (!candidate) throw new Error(NOTHING_TO_PUBLISH);
        const { kid, algorithm, publicKey, privateKey, authenticator } = candidate;
        const values = [kid, algorithm, step.state, JSON.stringify(publicKey), privateKey, authenticator];
        return [this.#sql.publish, values];
      }
      case 'activate':
      case 'delete':
        return [this.#sql[step.kind], [step.kid]];
      case 'retire':
        return [this.#sql.retire, [step.kid, step.verifyFor]];
      case 'revoke':
        return [this.#sql.revoke, [step.kid, step.verifyFor, step.authenticator]];
    }
  }
}

function readKeys(rows: readonly Row[]): SigningKeys {
  const now = primaryTime(rows[0]!);
  return { now, keys: rows.filter((row) => row[2] !== null).map(readKey) };
}

/** Reads the columns of KEY (signing-key.statements.ts), behind those of the time and the standby. */
function readKey(row: Row): StoredSigningKey {
  const [, , kid, algorithm, state, publicKey, privateKey, authenticator, publishedAt, ...times] = row;
  const [activatedAt, retiredAt, verifyUntil, revokedAt] = times.map((time) =>
    time === null ? null : Number(time),
  );
  return {
    kid: kid!,
    algorithm: algorithm!,
    state: state as SigningKeyState,
    publicKey: JSON.parse(publicKey!) as Record<string, unknown>,
    privateKey: privateKey == null ? null : Buffer.from(privateKey, 'hex'),
    authenticator: Buffer.from(authenticator!, 'hex'),
    publishedAt: Number(publishedAt),
    activatedAt: activatedAt!,
    retiredAt: retiredAt!,
    verifyUntil: verifyUntil!,
    revokedAt: revokedAt!,
  };
}
