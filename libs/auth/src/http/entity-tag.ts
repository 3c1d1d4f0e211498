import { createHash } from 'node:crypto';

/** A strong validator of a body that is the same wherever `parts` are: RFC 9110 section 8.8.3. */
export function entityTagOf(...parts: readonly string[]): string {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return `"${hash.digest('base64url')}"`;
}

/**
 * Whether the client has that body already.
 *
 * @param header If-None-Match: a list, compared weakly
 * @see RFC 9110 section 13.1.2
 */
export function matchesEntityTag(header: string | string[] | undefined, entityTag: string): boolean {
  const tags = [header ?? []].flat().flatMap((value) => value.split(','));
  return tags.some((tag) => tag.trim() === '*' || tag.trim().replace(/^W\//, '') === entityTag);
}
