import { constants, createHmac, sign, type KeyObject } from 'node:crypto';

/*
 * Tokens made byte by byte, with good signatures where a case needs one: no library signs a member twice, a byte-order
 * mark or a number beyond every number. Nothing here comes from the code under test.
 */

export type Signer = (signed: Buffer) => Buffer;
export type Json = Record<string, unknown>;

export const base64url = (bytes: string | Buffer): string => Buffer.from(bytes).toString('base64url');

export const es256 =
  (key: KeyObject): Signer =>
  (signed) =>
    sign('sha256', signed, { key, dsaEncoding: 'ieee-p1363' });

export const hmac =
  (secret: string | Buffer | KeyObject, hash = 'sha256'): Signer =>
  (signed) =>
    createHmac(hash, secret).update(signed).digest();

export const rsa =
  (key: KeyObject, hash = 'sha256'): Signer =>
  (signed) =>
    sign(hash, signed, key);

export const pss =
  (key: KeyObject): Signer =>
  (signed) =>
    sign('sha256', signed, { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 });

/** Parts of a token; a text or bytes stand as they are, `undefined` in an object takes the member away. */
export interface Parts {
  readonly header?: Json | string | Buffer;
  readonly claims?: Json | string | Buffer;
  readonly signer?: Signer;
}

export class Forge {
  /** What a genuine token of the node under attack says. */
  readonly header: Json;
  readonly claims: Json;

  constructor(
    readonly genuine: string,
    readonly signer: Signer,
  ) {
    const [header, claims] = genuine.split('.').map((part) => Buffer.from(part, 'base64url').toString());
    this.header = JSON.parse(header!) as Json;
    this.claims = JSON.parse(claims!) as Json;
  }

  /** The genuine header and claims with changes, under our own key unless another signs. */
  token({ header = {}, claims = {}, signer = this.signer }: Parts = {}): string {
    const signed = `${base64url(bytesOf(this.header, header))}.${base64url(bytesOf(this.claims, claims))}`;
    return `${signed}.${base64url(signer(Buffer.from(signed)))}`;
  }

  /** The claims as text, for cases that need a spelling of their own. */
  text(changes: Json = {}): string {
    return bytesOf(this.claims, changes).toString();
  }
}

/** Of a value in a table of cases: as it is written, or its beginning and its length. */
export function title(value: unknown): string {
  const text = JSON.stringify(value) ?? 'missing';
  return text.length <= 60 ? text : `${text.slice(0, 40)}… of ${text.length}`;
}

/** A table of cases by title; two of one title would be one case. */
export function byTitle<T>(cases: readonly (readonly [title: string, value: T])[]): Record<string, T> {
  const table = Object.fromEntries(cases) as Record<string, T>;
  if (Object.keys(table).length !== cases.length) throw new TypeError('Two cases have one title');
  return table;
}

/** A token for each value of one claim, by the value as it is written. */
export function each(forge: Forge, name: string, values: readonly unknown[], more: Json = {}) {
  const tokens = values.map((value): [string, string] => [
    title(value),
    forge.token({ claims: { ...more, [name]: value } }),
  ]);
  return byTitle(tokens);
}

function bytesOf(genuine: Json, part: Json | string | Buffer): string | Buffer {
  return typeof part === 'string' || Buffer.isBuffer(part) ? part : JSON.stringify({ ...genuine, ...part });
}

/** One token for each signer, under the header it is meant to deceive with. */
export function bySigner(
  forge: Forge,
  header: Json,
  signers: Record<string, Signer>,
): Record<string, string> {
  return byTitle(Object.entries(signers).map(([name, signer]) => [name, forge.token({ header, signer })]));
}

/** One token for each header, with a signature that is good for what it says otherwise. */
export function byHeader(forge: Forge, headers: readonly Json[], signer?: Signer): Record<string, string> {
  return byTitle(
    headers.map((header) => [
      Object.values(header).map(title).join(),
      forge.token({ header, ...(signer && { signer }) }),
    ]),
  );
}

export const hmacs = (secrets: Record<string, string | Buffer>): Record<string, Signer> =>
  byTitle(Object.entries(secrets).map(([name, secret]) => [name, hmac(secret)]));

/** Eight and more ways to write a public key down, each a secret an HS256 verifier might be tricked into. */
export function spellingsOf(publicKey: KeyObject, kid: string): Record<string, string | Buffer> {
  const pem = publicKey.export({ type: 'spki', format: 'pem' }).toString();
  const bytes = publicKey.export({ type: 'spki', format: 'der' });
  const jwk = publicKey.export({ format: 'jwk' });
  return {
    'SPKI PEM': pem,
    'PEM without its last line feed': pem.trimEnd(),
    'PEM after a space': ` ${pem}`,
    'PEM after a line feed': `\n${pem}`,
    'PEM with CRLF': pem.replaceAll('\n', '\r\n'),
    DER: bytes,
    'base64 of DER': bytes.toString('base64'),
    'JWK as JSON': JSON.stringify(jwk),
    'x or n of the JWK': jwk.x ?? jwk.n!,
    'bytes of x or n': Buffer.from(jwk.x ?? jwk.n!, 'base64url'),
    kid,
  };
}

/** The order of P-256. */
export const ORDER = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;
export const scalar = (value: bigint): Buffer => Buffer.from(value.toString(16).padStart(64, '0'), 'hex');

/** The other signature of the same text that ECDSA accepts: (r, n − s). */
export function twinOf(token: string): string {
  const [header, claims, signature] = token.split('.');
  const bytes = Buffer.from(signature!, 'base64url');
  const s = BigInt(`0x${bytes.subarray(32).toString('hex')}`);
  return [header, claims, base64url(Buffer.concat([bytes.subarray(0, 32), scalar(ORDER - s)]))].join('.');
}

/** A certificate of the key for itself: version 1, one name, valid from 2020 to 2049. */
export function selfSignedCertificate(privateKey: KeyObject, publicKey: KeyObject): Buffer {
  const algorithm = der(0x30, Buffer.from('06082a8648ce3d040302', 'hex'));
  const commonName = der(0x30, Buffer.from('0603550403', 'hex'), der(0x0c, Buffer.from('evil')));
  const name = der(0x30, der(0x31, commonName));
  const time = (year: string) => der(0x17, Buffer.from(`${year}0101000000Z`));
  const toSign = der(
    0x30,
    Buffer.from('020101', 'hex'),
    algorithm,
    name,
    der(0x30, time('20'), time('49')),
    name,
    publicKey.export({ type: 'spki', format: 'der' }),
  );
  return der(0x30, toSign, algorithm, der(0x03, Buffer.from([0]), sign('sha256', toSign, privateKey)));
}

function der(tag: number, ...content: Buffer[]): Buffer {
  const body = Buffer.concat(content);
  const { length } = body;
  const size = length < 128 ? [length] : length < 256 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...size]), body]);
}
