import { parseFeedPage, type FeedPage } from './feed-page.js';
import type { Stamp } from './freshness.js';

/** Room for 26,000 sessions; whoever sends more in one page is no feed. */
const MAX_BYTES = 1024 * 1024;
const MILLISECONDS = /^\d{1,16}(?:\.\d{1,20})?$/;

/** What the feed of an issuer said, to one question. */
export interface FeedAnswer {
  readonly stamp: Stamp;
  /** null when it is that of the last time */
  readonly page: FeedPage | null;
  readonly etag: string | null;
}

/**
 * Reads an answer to its end, and no more of it than one can be.
 *
 * @param since the question
 * @param tag the entity tag that was asked with
 * @throws {Error} anything but the whole of a good answer; repeats nothing of what was sent
 */
export async function readFeedAnswer(
  response: Response,
  since: number,
  tag: string | undefined,
): Promise<FeedAnswer> {
  const { status, headers } = response;
  try {
    const isGood = status === 200 || (status === 304 && tag !== undefined);
    if (!isGood) throw new Error(`The answer has status ${status}`);
    requireUnpacked(headers);
    if (milliseconds(headers, 'Revocations-Since') !== since)
      throw new Error('The answer is to another question');
    const stamp = {
      asOf: milliseconds(headers, 'Revocations-As-Of'),
      age: milliseconds(headers, 'Revocations-Age'),
    };
    const etag = headers.get('etag');
    if (status === 200) return { stamp, etag, page: await readPage(response, since) };
    if (etag === null || strong(etag) !== strong(tag!))
      throw new Error('The answer is 304 for another entity tag');
    return { stamp, etag: tag!, page: null };
  } finally {
    // What has been read to its end is locked no more, and what has not is not wanted.
    await response.body?.cancel().catch(() => {});
  }
}

/** Before the first byte is read: `fetch` unpacks by itself, and a little can become very much. */
function requireUnpacked(headers: Headers): void {
  const encoding = headers.get('content-encoding') ?? 'identity';
  if (encoding.toLowerCase() !== 'identity')
    throw new Error('The answer has a content encoding, and none was asked for');
}

function milliseconds(headers: Headers, name: string): number {
  const text = headers.get(name) ?? '';
  if (!MILLISECONDS.test(text))
    throw new Error(`The answer has no ${name}, or not one number of milliseconds`);
  return Number(text);
}

/** A proxy that compresses makes an entity tag a weak one. */
function strong(etag: string): string {
  return etag.replace(/^W\//, '');
}

async function readPage(response: Response, since: number): Promise<FeedPage> {
  const page = parseFeedPage(await readBounded(response));
  // Or the reading would go round in circles.
  if (page.next !== null && page.next <= since) throw new Error('The next page does not lie ahead');
  return page;
}

async function readBounded(response: Response): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  let size = 0;
  for await (const piece of response.body ?? []) {
    size += (piece as Uint8Array).length;
    if (size > MAX_BYTES) throw new Error(`The answer is longer than ${MAX_BYTES} bytes`);
    pieces.push(piece as Uint8Array);
  }
  return Buffer.concat(pieces, size);
}
