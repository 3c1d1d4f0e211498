import { isUuid } from '../core/uuid.js';
import type { Stamp } from './freshness.js';

/** Room for 1.7 million sessions; whoever sends more is no feed. */
const MAX_BYTES = 64 * 1024 * 1024;
const MILLISECONDS = /^\d{1,16}(?:\.\d{1,20})?$/;

/** What the feed of an issuer said, to one question. */
export interface FeedAnswer {
  readonly stamp: Stamp;
  /** null when they are those of the last time */
  readonly sids: readonly string[] | null;
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
    if (milliseconds(headers, 'Revocations-Since') !== since)
      throw new Error('The answer is to another question');
    const stamp = {
      asOf: milliseconds(headers, 'Revocations-As-Of'),
      age: milliseconds(headers, 'Revocations-Age'),
    };
    const etag = headers.get('etag');
    if (status === 200) return { stamp, etag, sids: sidsIn(await readBounded(response)) };
    if (etag === null || strong(etag) !== strong(tag!))
      throw new Error('The answer is 304 for another entity tag');
    return { stamp, etag: tag!, sids: null };
  } finally {
    // What has been read to its end is locked no more, and what has not is not wanted.
    await response.body?.cancel().catch(() => {});
  }
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

async function readBounded(response: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body ?? []) {
    chunks.push(chunk as Uint8Array);
    size += (chunk as Uint8Array).length;
    if (size > MAX_BYTES) throw new Error(`The answer is longer than ${MAX_BYTES} bytes`);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function sidsIn(text: string): readonly string[] {
  const body: unknown = parse(text);
  const sids = typeof body === 'object' && body !== null && 'sids' in body ? body.sids : undefined;
  if (!Array.isArray(sids) || !sids.every(isUuid)) throw new Error('The answer is no list of sids');
  return sids;
}

/** Not with the parser's own words, which repeat what was sent. */
function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new Error('The answer is no JSON');
  }
}
