import { isUuid } from '../core/uuid.js';

/** One page of what a feed tells. */
export interface FeedPage {
  readonly sids: readonly string[];
  /** what the page that follows is asked with; null on the last one */
  readonly next: number | null;
}

const HEAD = Buffer.from('{"sids":[');
const [QUOTE, COMMA] = [0x22, 0x2c];
const SID_LENGTH = 36;
const TAIL = /^\](?:,"next":(\d{1,15}(?:\.\d{1,20})?))?\}$/;
/** No tail is as long, so that a longer one does not match. */
const LONGER_THAN_TAIL = 64;

/**
 * Reads `{"sids":["…",…],"next":…}`, byte for byte: no white space, no other member, no other order.
 *
 * No parser of JSON: that would build whatever was sent, however deep, before anybody could look at it. Each byte is
 * looked at once or twice, and the first that is wrong ends it.
 *
 * @throws {Error} anything else; repeats nothing of what was sent
 */
export function parseFeedPage(bytes: Buffer): FeedPage {
  const sids: string[] = [];
  let at = HEAD.length;
  if (!bytes.subarray(0, at).equals(HEAD)) throw malformed();
  while (bytes[at] === QUOTE) {
    // Not a slice of one long text, which would live for as long as any of its sessions is remembered.
    const sid = bytes.toString('latin1', at + 1, at + 1 + SID_LENGTH);
    at += SID_LENGTH + 2;
    if (!isUuid(sid) || bytes[at - 1] !== QUOTE) throw malformed();
    sids.push(sid);
    if (bytes[at] !== COMMA) break;
    at++;
    if (bytes[at] !== QUOTE) throw malformed();
  }
  const tail = TAIL.exec(bytes.toString('latin1', at, at + LONGER_THAN_TAIL));
  if (!tail) throw malformed();
  return { sids, next: tail[1] === undefined ? null : Number(tail[1]) };
}

function malformed(): Error {
  return new Error('The answer is no page of sids');
}
