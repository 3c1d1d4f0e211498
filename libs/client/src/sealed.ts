/**
 * Hands a text from one tab to another over a channel that others may hear: it is encrypted to a key that the asking tab has made for
 * this one question, and that exists nowhere but in its memory.
 *
 * ECDH on P-256 and AES-GCM; the key that seals is fresh as well, so its one text needs no nonce.
 *
 * @see RFC 9180 for the idea; W3C Web Cryptography API
 */

const CURVE = { name: 'ECDH', namedCurve: 'P-256' };
const CIPHER = { name: 'AES-GCM', iv: new Uint8Array(12) };

export interface Sealed {
  readonly by: ArrayBuffer;
  readonly text: ArrayBuffer;
}

/** A question: `publicKey` goes out with it, and `open` reads the answer. */
export interface Seal {
  readonly publicKey: ArrayBuffer;
  open(sealed: Sealed): Promise<string>;
}

/** Whether this platform can: pages without TLS cannot, but for those of localhost. */
export function canSeal(): boolean {
  return globalThis.crypto?.subtle !== undefined;
}

export async function newSeal(): Promise<Seal> {
  const pair = await newPair();
  return {
    publicKey: await crypto.subtle.exportKey('raw', pair.publicKey),
    open: async ({ by, text }) => {
      const key = await shared(pair.privateKey, by, 'decrypt');
      return new TextDecoder().decode(await crypto.subtle.decrypt(CIPHER, key, text));
    },
  };
}

export async function seal(text: string, publicKey: ArrayBuffer): Promise<Sealed> {
  const pair = await newPair();
  const key = await shared(pair.privateKey, publicKey, 'encrypt');
  return {
    by: await crypto.subtle.exportKey('raw', pair.publicKey),
    text: await crypto.subtle.encrypt(CIPHER, key, new TextEncoder().encode(text)),
  };
}

type Pair = Awaited<ReturnType<typeof newPair>>;

function newPair() {
  return crypto.subtle.generateKey(CURVE, false, ['deriveKey']);
}

async function shared(own: Pair['privateKey'], other: ArrayBuffer, usage: 'encrypt' | 'decrypt') {
  const publicKey = await crypto.subtle.importKey('raw', other, CURVE, false, []);
  const target = { name: CIPHER.name, length: 256 };
  return crypto.subtle.deriveKey({ name: CURVE.name, public: publicKey }, own, target, false, [usage]);
}
