import type { QueryRunner } from 'typeorm';

/** A possibly schema-qualified name as an SQL identifier. Names cannot be parameters, so they are quoted. */
export function quoteTable(path: string): string {
  return path
    .split('.')
    .map((part) => `"${part.replaceAll('"', '""')}"`)
    .join('.');
}

/** Where a migration makes a table: in the schema, and with the prefix, of its data source. */
export function tableOf(runner: QueryRunner, name: string): string {
  const { schema, entityPrefix = '' } = runner.connection.options as {
    schema?: string;
    entityPrefix?: string;
  };
  const table = `${entityPrefix}${name}`;
  return quoteTable(schema ? `${schema}.${table}` : table);
}
