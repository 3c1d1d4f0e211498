const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COLON = 0x3a;
const isOpening = (code: number) => code === 0x7b || code === 0x5b;
const isClosing = (code: number) => code === 0x7d || code === 0x5d;

/**
 * Whether `text`, which parses to `value`, names each member of its outermost object once.
 *
 * `JSON.parse` keeps the last of two members and other parsers the first: two services could read two subjects in one
 * token. Below the outermost object nothing is a claim of ours. Names are counted and not compared, so that an
 * escaped spelling of a name hides nothing.
 */
export function hasOneOfEach(value: unknown, text: string): boolean {
  return typeof value !== 'object' || value === null || Object.keys(value).length === countMembers(text);
}

/** @param text valid JSON whose outermost value is an object; of a list the answer is 0 */
function countMembers(text: string): number {
  let depth = 0;
  let members = 0;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) at = endOfString(text, at);
    else if (isOpening(code)) depth++;
    else if (isClosing(code)) depth--;
    else if (code === COLON && depth === 1) members++;
  }
  return members;
}

/** @param from where the string opens */
function endOfString(text: string, from: number): number {
  let end = text.indexOf('"', from + 1);
  while (isEscaped(text, end)) end = text.indexOf('"', end + 1);
  return end;
}

function isEscaped(text: string, at: number): boolean {
  let backslashes = 0;
  while (text.charCodeAt(at - 1 - backslashes) === BACKSLASH) backslashes++;
  return backslashes % 2 === 1;
}
