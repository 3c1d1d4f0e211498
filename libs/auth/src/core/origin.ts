/**
 * Whether `text` is an origin of the web, to the letter as a browser writes it: `https://app.example.com`, with a port
 * unless it is the scheme's own. `null`, which any sandboxed page is, is none; nor is a pattern.
 *
 * @see RFC 6454 section 6.2
 */
export function isOrigin(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { origin, protocol } = new URL(text);
  return origin === text && /^https?:$/.test(protocol) && !text.includes('*');
}
