import type { Claims, Device, RevocationReason } from '../core/family.js';
import type { TransactionContext } from '../core/ports.js';

export interface IssueOptions {
  /** one of the module's `clients`; default: the module's `clientId` */
  readonly clientId?: string;
  /** space-separated */
  readonly scope?: string;
  /** kept with the login; in every access token of it */
  readonly claims?: Claims;
  /** what the session list shows */
  readonly device?: Device;
  /** the login becomes part of this transaction: an `EntityManager` or `QueryRunner` */
  readonly manager?: TransactionContext;
}

export interface RotateOptions {
  /** who presents the token; default: the module's `clientId` */
  readonly clientId?: string | undefined;
  /** 16 to 128 visible ASCII characters, one random value for each refresh token a client holds */
  readonly idempotencyKey?: string | undefined;
  /** the session the caller means; another one's token is then refused unspent */
  readonly sid?: string | undefined;
  /** space-separated words of the login's scope, for this access token alone; default: all of it */
  readonly scope?: string | undefined;
  /** `performance.now()` when the request had been read in full; default: now */
  readonly receivedAt?: number | undefined;
}

export interface RevokeOptions {
  /** only if the session is this subject's */
  readonly subject?: string;
  readonly reason?: RevocationReason;
}

export interface RevokeTokenOptions {
  /** only if the token was issued to this client; default: whichever it was issued to */
  readonly clientId?: string | undefined;
  /** the session the caller means; another one's token then ends nothing */
  readonly sid?: string | undefined;
}

export interface EndOptions {
  readonly reason?: RevocationReason;
}
