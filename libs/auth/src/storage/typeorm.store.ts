import { QueryFailedError, type DataSource } from 'typeorm';
import { UnavailableError } from '../core/errors.js';
import type { Family, Grant, RevocationReason } from '../core/family.js';
import type { ResolvedOptions } from '../core/options.js';
import type {
  DeletedPage,
  Inserted,
  Login,
  Look,
  RefreshTokenStore,
  RevokedFamily,
  RevokedSession,
  Rotation,
  Stamped,
  TakeRevoked,
  TransactionContext,
} from '../core/ports.js';
import { FamilyWalks } from './family-walks.js';
import { isConflict, PrimaryConnection } from './primary-connection.js';
import { RefreshToken } from './refresh-token.entity.js';
import { RotationBatcher, type BatchResult } from './rotation-batcher.js';
import { primaryTime, readFamily, readGrant, type Row } from './rows.js';
import { SharedReading } from './shared-reading.js';
import { SoleAttempts } from './sole-attempts.js';
import type { Statement } from './sql.js';
import { statementsFor, type Statements } from './statements.js';
import { quoteTable } from './table-name.js';

/** Families in PostgreSQL, on the pool of the application's own data source. */
export class TypeOrmRefreshTokenStore implements RefreshTokenStore {
  readonly #primary: PrimaryConnection;
  readonly #sql: Statements;
  readonly #lockTimeout: string;
  readonly #batcher: RotationBatcher;
  readonly #walks: FamilyWalks;
  /** A storm on one family must not take the connections of all others: one of it asks at a time. */
  readonly #looks = new SharedReading<Look>();
  readonly #rotations = new SoleAttempts<(Grant & Stamped) | null>(null);
  readonly #endings = new SoleAttempts(false);

  /** @param dataSource initialised, with the entity RefreshToken among its entities */
  constructor(
    dataSource: DataSource,
    private readonly options: Pick<ResolvedOptions, 'refreshToken' | 'database' | 'sessions'>,
  ) {
    this.#primary = new PrimaryConnection(dataSource, options.database);
    this.#sql = statementsFor(quoteTable(dataSource.getMetadata(RefreshToken).tablePath));
    const lockTimeout = Math.ceil(options.database.lockTimeout * 1000);
    this.#lockTimeout = String(lockTimeout);
    const statements = {
      one: (rotation: Rotation) => this.#rotateOne(rotation),
      many: (rotations: readonly Rotation[]) => this.#rotateMany(rotations),
    };
    this.#batcher = new RotationBatcher(statements, options.database.queryTimeout * 1000);
    this.#walks = new FamilyWalks(this.#primary, this.#sql, lockTimeout);
  }

  async insert(login: Login, transaction?: TransactionContext): Promise<Inserted> {
    const { maxPerSubject } = this.options.sessions;
    if (maxPerSubject !== Infinity) return this.#insertWithin(maxPerSubject, login, transaction);
    const values = this.#loginValues(login);
    const { insert } = this.#sql;
    const [row] = transaction
      ? await runWithin(transaction, insert, values)
      : await this.#primary.run(insert, values);
    return { ...this.#readGrant(row!, login.token.familyId), evicted: [] };
  }

  rotate(rotation: Rotation): Promise<(Grant & Stamped) | null> {
    // By the token, not by its family: an old one that is sent for ever must not keep the current one from its turn.
    const key = `${rotation.token.text} ${rotation.clientId}`;
    return this.#rotations.make(key, () => this.#batcher.rotate(rotation));
  }

  async advance(rotation: Rotation, judged: Family): Promise<(Grant & Stamped) | null> {
    const rows = await this.#write(this.#sql.advance, [...this.#rotationValues(rotation), judged.stepHash]);
    return rows[0] ? this.#readGrant(rows[0], rotation.token.familyId) : null;
  }

  revokeReused({ familyId, stepHash }: Family): Promise<boolean> {
    return this.#endings.make(`${familyId} ${stepHash.toString('hex')}`, async () => {
      const rows = await this.#write(this.#sql.revokeReused, [this.#lockTimeout, familyId, stepHash]);
      return rows.length === 1;
    });
  }

  look(familyId: string): Promise<Look> {
    return this.#looks.ask(familyId, () => this.#look(familyId));
  }

  async revoke(familyId: string, reason: RevocationReason, subject?: string): Promise<RevokedFamily | null> {
    const values = [this.#lockTimeout, familyId, reason, subject ?? null];
    const [row] = await this.#primary.run(this.#sql.revoke, values);
    return row ? readRevoked(row) : null;
  }

  async revokeSubject(
    subject: string,
    reason: RevocationReason,
    exceptFamilyId?: string,
  ): Promise<RevokedFamily[]> {
    // Two statements, so that the second one's snapshot is taken after the lock: it sees every login the lock waited for.
    const rows = await this.#primary.transaction([
      [this.#sql.lockSubject, [this.#lockTimeout, subject]],
      [this.#sql.revokeSubject, [subject, reason, exceptFamilyId ?? null]],
    ]);
    return rows.map(readRevoked);
  }

  async sessions(subject: string, limit: number): Promise<{ families: Family[] } & Stamped> {
    const rows = await this.#primary.run(this.#sql.sessions, [subject, limit]);
    const families = rows.map((row) => readFamily(row, 2)).filter((family) => family !== null);
    return { now: primaryTime(rows[0]!), families };
  }

  revokeEvery(
    which: { readonly clientId?: string },
    reason: RevocationReason,
    take: TakeRevoked,
  ): Promise<void> {
    return this.#walks.revokeEvery(which, reason, take);
  }

  revokedWithin(window: number, take: (sessions: readonly RevokedSession[]) => void): Promise<Stamped> {
    return this.#walks.revokedWithin(window, take);
  }

  deleteOver(keep: number, after: string | null): Promise<DeletedPage> {
    return this.#walks.deleteOver(keep, this.options.refreshToken.lifetime * 1000, after);
  }

  /** Two statements, so that the second one's snapshot is taken after the lock: it sees every login before this one. */
  async #insertWithin(limit: number, login: Login, transaction?: TransactionContext): Promise<Inserted> {
    const { subject, token } = login;
    const work = async (run: (statement: Statement, values: unknown[]) => Promise<Row[]>) => {
      const [row] = await run(this.#sql.insertAlone, this.#loginValues(login));
      const values = [this.#lockTimeout, subject, token.familyId, limit - 1];
      const [ended] = await run(this.#sql.evict, values);
      const evicted = ended![0]?.split(' ').map((sid) => ({ sid, subject })) ?? [];
      return { ...this.#readGrant(row!, token.familyId), evicted };
    };
    return transaction
      ? work((statement, values) => runWithin(transaction, statement, values))
      : this.#primary.within(work);
  }

  async #look(familyId: string): Promise<Look> {
    const [row] = await this.#primary.run(this.#sql.look, [familyId]);
    return { now: primaryTime(row!), family: readFamily(row!, 2) };
  }

  #loginValues({ token, subject, clientId, scope, claims, device }: Login): unknown[] {
    const { idleLifetime, lifetime } = this.options.refreshToken;
    return [
      this.#lockTimeout,
      token.familyId,
      subject,
      clientId,
      token.rootHash,
      token.stepHash,
      token.keyId,
      idleLifetime,
      lifetime,
      scope,
      toJson(claims),
      toJson(device),
    ];
  }

  async #rotateOne(rotation: Rotation): Promise<(Grant & Stamped) | null> {
    const values = [...this.#rotationValues(rotation), this.#ageFor(rotation), rotation.clientId];
    const [row] = await this.#write(this.#sql.rotate, values);
    return row ? this.#readGrant(row, rotation.token.familyId) : null;
  }

  async #rotateMany(rotations: readonly Rotation[]): Promise<BatchResult[]> {
    const rows = await this.#write(this.#sql.rotateMany, [
      this.options.refreshToken.idleLifetime,
      rotations.map(({ token }) => token.familyId),
      rotations.map(({ token }) => token.generation),
      rotations.map(({ token }) => token.rootHash),
      rotations.map(({ token }) => token.stepHash),
      rotations.map(({ attemptHash }) => attemptHash),
      rotations.map(({ successor }) => successor.stepHash),
      rotations.map(({ successor }) => successor.keyId),
      rotations.map((rotation) => this.#ageFor(rotation)),
      rotations.map(({ clientId }) => clientId),
    ]);
    return rotations.map(({ token }, index) => {
      const [isLocked, place, ...grant] = rows[index] ?? [];
      if (place != null) return this.#readGrant(grant, token.familyId);
      return isLocked === 't' ? 'locked' : null;
    });
  }

  /** How long ago the current token must have been born, in milliseconds. */
  #ageFor({ waited }: Rotation): number {
    return this.options.refreshToken.leeway * 1000 + waited;
  }

  #readGrant(row: Row, familyId: string): Grant & Stamped {
    return readGrant(row, familyId, this.options.refreshToken.idleLifetime);
  }

  /** Under REPEATABLE READ a lost race is an error instead of an empty result; it means the same. */
  async #write(statement: Statements[keyof Statements], values: unknown[]): Promise<Row[]> {
    try {
      return await this.#primary.run(statement, values);
    } catch (error) {
      if (isConflict(error)) return [];
      throw error;
    }
  }

  /** $1 to $9 of `rotate` and `advance`. */
  #rotationValues({ token, successor, attemptHash }: Rotation): unknown[] {
    return [
      this.#lockTimeout,
      token.familyId,
      token.generation,
      token.rootHash,
      token.stepHash,
      attemptHash,
      successor.stepHash,
      successor.keyId,
      this.options.refreshToken.idleLifetime,
    ];
  }
}

/** Inside the application's transaction, whose rows are objects in column order. */
async function runWithin(
  transaction: TransactionContext,
  { text }: Statement,
  values: unknown[],
): Promise<Row[]> {
  try {
    const rows = (await transaction.query(text, values)) as Record<string, string | null>[];
    return rows.map((row) => Object.values(row));
  } catch (error) {
    // TypeORM's own error repeats the parameters, hashes among them; the driver's does not.
    const cause = error instanceof QueryFailedError ? error.driverError : error;
    throw new UnavailableError('ERR_STORE_UNAVAILABLE', { cause });
  }
}

function readRevoked(row: Row): RevokedFamily {
  return { sid: row[0]!, subject: row[1]! };
}

/** jsonb has neither U+0000 nor half a surrogate pair, and what a browser calls itself must not fail a login. */
function toJson(value: object | null): string | null {
  // JSON.stringify escapes both. An escaped backslash is matched too, and kept: what follows it is no escape.
  return value && JSON.stringify(value).replace(/(\\\\)|\\u(?:0000|d[89a-f][0-9a-f]{2})/g, '$1');
}
