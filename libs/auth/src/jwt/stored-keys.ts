import { createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto';
import type {
  JudgedSigningKey,
  KeyStanding,
  ManagedAlgorithm,
  StoredSigningKey,
} from '../core/key-schedule.js';
import type { KeyEncryption } from './key-encryption.js';
import type { SigningKey } from './key-ring.js';
import { faultOf, thumbprint } from './signing-keys.js';

/** A stored key as far as it serves: null when nothing can be done with it, without a private key when it only verifies. */
export interface ImportedKey {
  readonly stored: StoredSigningKey;
  readonly key: SigningKey | null;
  readonly standing: KeyStanding;
  /** names the key and the remedy; null when the key is as good as its row says */
  readonly fault: string | null;
}

export interface JudgedKeys {
  readonly imported: readonly ImportedKey[];
  readonly keys: readonly JudgedSigningKey[];
  readonly faults: readonly string[];
}

/** The rows of the table as this node understands them; one that has not changed is imported once. */
export class StoredKeys {
  #imported: ReadonlyMap<string, ImportedKey> = new Map();

  constructor(private readonly encryption: KeyEncryption) {}

  /**
   * Says what there is to use, the rows to make plans with, and what is wrong with them.
   *
   * @returns `imported`: the same objects for the same rows; none for revoked ones, which nothing is done with
   */
  judge(rows: readonly StoredSigningKey[]): JudgedKeys {
    const imported = this.#import(rows);
    const standings = new Map(imported.map(({ stored, standing }) => [stored.kid, standing]));
    const standingOf = (row: StoredSigningKey) =>
      standings.get(row.kid) ?? this.encryption.verifyRevoked(row, row.authenticator);
    return {
      imported,
      keys: rows.map((row) => ({ ...row, standing: standingOf(row) })),
      faults: imported.flatMap(({ fault }) => fault ?? []),
    };
  }

  #import(rows: readonly StoredSigningKey[]): ImportedKey[] {
    const imported = rows
      .filter(({ state }) => state !== 'revoked')
      .map((stored): [string, ImportedKey] => {
        const content = contentOf(stored);
        return [content, this.#imported.get(content) ?? importStoredKey(stored, this.encryption)];
      });
    this.#imported = new Map(imported);
    return imported.map(([, key]) => key);
  }
}

/** All that an import depends on: times alone change nothing. */
function contentOf({
  kid,
  algorithm,
  state,
  publicKey,
  privateKey,
  authenticator,
}: StoredSigningKey): string {
  const parts = [privateKey, authenticator].map((part) => part?.toString('base64'));
  return JSON.stringify([kid, algorithm, state, publicKey, ...parts]);
}

/**
 * Reads a key from its row, and trusts nothing there: a node with the key-encryption secret must have made the key for
 * this algorithm, the `kid` must be the thumbprint of the public key, the public key must be fit for the algorithm, and
 * what was sealed must be the private key to it.
 */
function importStoredKey(stored: StoredSigningKey, encryption: KeyEncryption): ImportedKey {
  const refuse = (standing: KeyStanding, fault: string): ImportedKey => ({
    stored,
    key: null,
    standing,
    fault: `${nameOf(stored)} ${fault}`,
  });
  // First of all, so that nothing else of a forged row is ever read.
  const standing = encryption.verify(stored, stored.authenticator);
  if (standing === 'foreign') {
    const fault = `was made under key-encryption key ${stored.authenticator[0]}, which is not configured`;
    return refuse(
      standing,
      `${fault}: give it in ${ENCRYPTION_KEYS}; if there is none, the row is forged: delete it`,
    );
  }
  if (standing === 'unsound') {
    const isRevoked = encryption.verifyRevoked(stored, stored.authenticator) === 'sound';
    return refuse(standing, isRevoked ? UNDONE : FORGED);
  }
  if (!ALGORITHMS.includes(stored.algorithm)) {
    return refuse('foreign', `is for an algorithm this version does not know: ${MEND_ROW}`);
  }
  const publicKey = readPublicKey(stored);
  if (typeof publicKey === 'string') return refuse('unsound', `${publicKey}: ${MEND_ROW}`);
  return withPrivateKey(stored, publicKey, encryption);
}

const ALGORITHMS: readonly string[] = ['ES256', 'RS256'] satisfies ManagedAlgorithm[];

const MEND_ROW = 'restore its row in the database, or delete it';
const ENCRYPTION_KEYS = 'accessToken.managedKeys.encryptionKeys';
const FORGED =
  `is not authenticated: it was made under another secret, or its row was forged or changed. Give the secret in ` +
  `${ENCRYPTION_KEYS}, or find out who writes to the database, and delete the row`;
const UNDONE =
  'was revoked, and its row was changed to undo that: find out who writes to the database, and revoke it again';

/** Whoever forges a row chooses its kid: a line break in it would forge lines of the log, too. */
function nameOf({ kid }: StoredSigningKey): string {
  return `signing key ${/^[\w-]+$/.test(kid) ? kid : JSON.stringify(kid)}`;
}

/** The key, or what speaks against it. */
function readPublicKey({ kid, algorithm, publicKey: jwk }: StoredSigningKey): KeyObject | string {
  let publicKey: KeyObject;
  try {
    publicKey = createPublicKey({ key: jwk, format: 'jwk' });
  } catch {
    return 'has a public key that cannot be read';
  }
  if (thumbprint(publicKey) !== kid) return 'has the public key of another kid';
  return faultOf({ publicKey }, algorithm as ManagedAlgorithm) ?? publicKey;
}

function withPrivateKey(
  stored: StoredSigningKey,
  publicKey: KeyObject,
  encryption: KeyEncryption,
): ImportedKey {
  const { kid, state } = stored;
  const key = { kid, algorithm: stored.algorithm as ManagedAlgorithm, publicKey };
  if (state === 'retired')
    return { stored, key: { ...key, privateKey: null }, standing: 'sound', fault: null };
  try {
    const privateKey = openPrivateKey(stored, publicKey, encryption);
    return { stored, key: { ...key, privateKey }, standing: 'sound', fault: null };
  } catch (error) {
    const fault = `${nameOf(stored)} ${(error as Error).message}: give the secret it was sealed under in ${ENCRYPTION_KEYS}, or delete its row`;
    return { stored, key: { ...key, privateKey: null }, standing: 'unsound', fault };
  }
}

function openPrivateKey(
  { kid, privateKey: sealed }: StoredSigningKey,
  publicKey: KeyObject,
  encryption: KeyEncryption,
): KeyObject {
  if (!sealed) throw new Error('has lost its private key');
  const der = encryption.open(kid, sealed);
  try {
    const privateKey = createPrivateKey({ key: der, type: 'pkcs8', format: 'der' });
    if (createPublicKey(privateKey).equals(publicKey)) return privateKey;
  } catch {
    // The reason may quote the material.
  } finally {
    der.fill(0);
  }
  throw new Error('holds no private key of its public one');
}
