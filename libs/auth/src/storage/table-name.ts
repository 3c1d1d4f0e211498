/** A possibly schema-qualified name as an SQL identifier. Names cannot be parameters, so they are quoted. */
export function quoteTable(path: string): string {
  return path
    .split('.')
    .map((part) => `"${part.replaceAll('"', '""')}"`)
    .join('.');
}
