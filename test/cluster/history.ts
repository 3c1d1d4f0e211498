import { read, sha256 } from '../support/written-format.js';

/**
 * `refused`: the grant or the token is of no use any more. `rejected`: the request was wrong, and changed nothing.
 * `unknown`: it may have happened or not, as after 503 or a broken connection.
 */
export type Outcome = 'ok' | 'refused' | 'rejected' | 'unknown';
export type Party = 'honest' | 'thief' | 'admin';

/** A refresh token as the history knows it: what it is, and not what it would be good for. */
export interface TokenName {
  readonly generation: number;
  /** SHA-256 of its step, hex: what the row has of the current token */
  readonly step: string;
}

/** One operation of one client, on one node. Times are of one monotonic clock, in milliseconds. */
export interface Operation {
  readonly kind: 'login' | 'refresh' | 'revoke' | 'access';
  readonly party: Party;
  readonly client: string;
  readonly node: string;
  /** `sid`; empty for a login that was not answered */
  readonly family: string;
  readonly start: number;
  readonly end: number;
  readonly outcome: Outcome;
  /** what was said, or how the connection broke */
  readonly reason: string;
  /** what was presented */
  readonly presented?: TokenName;
  /** what was handed out */
  readonly received?: TokenName;
  /** the Idempotency-Key it was presented with, or part of it */
  readonly key?: string;
  /** the answer took the cookie away */
  readonly clearedCookie?: boolean;
  /** what lies between may have sent the request before, to another node whose answer it lost: see `Door` */
  readonly sentAgain?: boolean;
}

/** That a thief copied a token, and perhaps its key. */
export interface Theft {
  readonly family: string;
  readonly token: TokenName;
  readonly withKey: boolean;
  readonly at: number;
}

/** The row of a family, after everything has come to rest. */
export interface FamilyRow {
  readonly family: string;
  readonly generation: number;
  readonly step: string;
  readonly revoked: boolean;
}

/** Everything clients have seen. */
export class History {
  readonly operations: Operation[] = [];
  readonly thefts: Theft[] = [];

  now(): number {
    return performance.now();
  }

  add(operation: Operation): void {
    this.operations.push(operation);
  }

  families(): string[] {
    return [...new Set(this.operations.map(({ family }) => family))].filter((family) => family !== '');
  }

  of(family: string): Operation[] {
    return this.operations.filter((operation) => operation.family === family);
  }
}

export function nameOf(refreshToken: string): TokenName {
  const { generation, step } = read(refreshToken);
  return { generation, step: sha256(step).toString('hex') };
}

interface Queryable {
  query<Row extends object>(sql: string, parameters?: unknown[]): Promise<Row[]>;
}

/** The rows of these families, one each if all is well. */
export function rowsOf(database: Queryable, families: readonly string[]): Promise<FamilyRow[]> {
  return database.query<FamilyRow>(
    `select family_id as family, generation, encode(step_hash, 'hex') as step, revoked_at is not null as revoked
     from refresh_token where family_id = any($1::uuid[])`,
    [families],
  );
}
