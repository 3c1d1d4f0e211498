import { Injectable } from '@nestjs/common';
import type { JudgedSigningKey, KeyStanding, SigningKeyState } from '../core/key-schedule.js';
import type { ManagedKeys } from './managed-keys.js';

/** A signing key as operators see it; its private part is never shown. */
export interface SigningKeyInfo {
  /** RFC 7638 thumbprint of the public key */
  readonly kid: string;
  readonly algorithm: string;
  /** `pending` is published and does not sign yet, `retired` verifies only */
  readonly state: SigningKeyState;
  /**
   * What this node makes of the row: `sound`; `foreign`, made under a key-encryption key, or for an algorithm, that this
   * node does not have; or `unsound`, forged or damaged. The log says what is wrong with a key that is not sound, and
   * what to do. A revoked key that is not sound was not revoked by a node: by hand in the table, perhaps.
   */
  readonly standing: KeyStanding;
  readonly publishedAt: Date;
  readonly activatedAt: Date | null;
  readonly retiredAt: Date | null;
  /** of a retired or revoked key: when its row goes */
  readonly verifyUntil: Date | null;
  readonly revokedAt: Date | null;
}

/** The signing keys in the database, for operators. Rotation by the calendar needs none of this. */
@Injectable()
export class SigningKeyService {
  /** @param keys null when the application gives its keys itself: `accessToken.keys` */
  constructor(private readonly keys: ManagedKeys | null) {}

  /**
   * Lists every key there is, in the order they were published, asking the database.
   *
   * @throws {TypeError} keys are not managed: `accessToken.managedKeys` is not set
   * @throws {UnavailableError} the database did not answer in time
   */
  async list(): Promise<SigningKeyInfo[]> {
    return (await this.#managed().list()).map(infoOf);
  }

  /**
   * Starts the change to a new key now: publishes it, and lets it sign once it has been published for
   * `accessToken.managedKeys.publishLead`, never earlier. The key before it verifies until its last token has expired.
   *
   * Safe to call from any number of nodes: while a change is under way, a call joins it.
   *
   * @returns the key that takes over
   * @throws {TypeError} keys are not managed: `accessToken.managedKeys` is not set
   * @throws {UnavailableError} not known to have happened; repeat the call
   */
  async rotate(): Promise<SigningKeyInfo> {
    return infoOf(await this.#managed().rotate());
  }

  /**
   * Revokes a key that somebody else may have: no token it signed is accepted any more, on this node at once, on every
   * other within `revocation.pollInterval`. If it was the active one, the next takes over at once.
   *
   * Sessions live on: a client whose access token is refused refreshes it. Services that verify with a copy of the
   * JWKS refuse the key when they fetch it anew.
   *
   * @param kid of any key `list` shows
   * @returns false when there is no such key, or it was revoked before
   * @throws {TypeError} keys are not managed: `accessToken.managedKeys` is not set
   * @throws {UnavailableError} not known to have happened; repeat the call
   */
  async revoke(kid: string): Promise<boolean> {
    return this.#managed().revoke(kid);
  }

  #managed(): ManagedKeys {
    if (this.keys) return this.keys;
    throw new TypeError(
      'The application gives its signing keys itself: set accessToken.managedKeys to manage them',
    );
  }
}

function infoOf(key: JudgedSigningKey): SigningKeyInfo {
  return {
    kid: key.kid,
    algorithm: key.algorithm,
    state: key.state,
    standing: key.standing,
    publishedAt: new Date(key.publishedAt),
    activatedAt: asDate(key.activatedAt),
    retiredAt: asDate(key.retiredAt),
    verifyUntil: asDate(key.verifyUntil),
    revokedAt: asDate(key.revokedAt),
  };
}

function asDate(time: number | null): Date | null {
  return time === null ? null : new Date(time);
}
