/**
 * The scope of an access token for which less than the login's may be asked; null when more is asked for, or what is no
 * scope. The order of words is free, and a word twice is a word.
 *
 * @param granted what the login granted; null when that was none
 * @param wanted space-separated
 * @see RFC 6749 sections 3.3 and 6
 */
export function narrowScope(granted: string | null, wanted: string): string | null {
  const all = new Set(granted?.split(' '));
  // An empty word, which a space too many makes, is in no grant; nor is one of foreign characters.
  const words = new Set(wanted.split(' '));
  for (const word of words) if (!all.has(word)) return null;
  return [...all].filter((word) => words.has(word)).join(' ');
}
