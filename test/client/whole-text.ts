import { createHash, randomBytes } from 'node:crypto';

/** A text of another length each time, that tells whether any of it is missing. */
export function wholeText(round: number): string {
  const body = randomBytes(1_000 + (round % 50) * 400).toString('base64');
  return `${digest(body)} ${body}`;
}

export function isWhole(text: string): boolean {
  const [sum, body] = text.split(' ');
  return body !== undefined && digest(body) === sum;
}

function digest(body: string): string {
  return createHash('sha256').update(body).digest('base64url');
}
