import type { DataSource } from 'typeorm';
import { ConfigError } from '../core/errors.js';
import type { ResolvedOptions } from '../core/options.js';
import type { AuditEntry, AuditStore, DeletedPage } from '../core/ports.js';
import { auditStatements } from './audit.statements.js';
import { nextAfter } from './family-walks.js';
import { PrimaryConnection } from './primary-connection.js';
import { quoteTable } from './table-name.js';
import { TokenAudit } from './token-audit.entity.js';
import { BEFORE_ALL, DELETION_PAGE } from './walk.statements.js';

/** The audit trail in PostgreSQL, on the pool of the application's own data source. */
export class TypeOrmAuditStore implements AuditStore {
  readonly #primary: PrimaryConnection;
  readonly #sql: ReturnType<typeof auditStatements>;

  /** @throws {ConfigError} the data source does not know the entity TokenAudit */
  constructor(dataSource: DataSource, { database }: Pick<ResolvedOptions, 'database'>) {
    if (!dataSource.hasMetadata(TokenAudit)) {
      throw new ConfigError([
        'audit.enabled needs a table: list TokenAudit among the entities of the data source, and tokenFamilyAuditMigrations among its migrations',
      ]);
    }
    this.#primary = new PrimaryConnection(dataSource, database);
    this.#sql = auditStatements(quoteTable(dataSource.getMetadata(TokenAudit).tablePath));
  }

  async append(entries: readonly (AuditEntry & { readonly age: number })[]): Promise<void> {
    await this.#primary.run(this.#sql.append, [
      entries.map(({ id }) => id),
      entries.map(({ age }) => age),
      entries.map(({ type }) => type),
      entries.map(({ sid }) => sid),
      entries.map(({ subject }) => subject),
      entries.map(({ clientId }) => clientId),
      entries.map(({ generation }) => generation),
      entries.map(({ detail }) => detail && JSON.stringify(detail)),
    ]);
  }

  async deleteOver(keep: number, after: string | null): Promise<DeletedPage> {
    const values = [after ?? BEFORE_ALL, Math.ceil(keep)];
    const [row] = await this.#primary.transaction([[this.#sql.deletePage, values]]);
    return { deleted: Number(row![2]), next: nextAfter(row!, DELETION_PAGE) };
  }
}
