import { InvalidGrantError, InvalidRequestError } from 'nestjs-token-family';
import type { TestDatabase } from '../support/database.js';
import type { TestNode } from '../support/node.js';
import { ModelFamily, violation, type Presentation } from './family.js';
import { secretsOf } from './forge.js';

export type Outcome =
  { readonly kind: 'granted'; readonly token: string } | { readonly kind: 'invalid_grant' | 'key_reused' };

interface Row {
  family_id: string;
  generation: number;
  step_hash: string;
  revocation_reason: string | null;
  revoked: boolean;
}

/** Two nodes, one database, and what must be true of them: every step of a run goes through here. */
export class World {
  /** seconds since the run began, on the model's clock */
  now = 0;
  readonly families = new Map<string, ModelFamily>();
  /** how far the wall clock of the nodes is off, milliseconds: no lifetime may depend on it */
  skew = 0;
  readonly #clock = Date.now;

  constructor(
    private readonly nodes: readonly TestNode[],
    private readonly database: TestDatabase,
  ) {}

  async login(subject: string, node: number): Promise<ModelFamily> {
    const { sid, refreshToken } = await this.#on(node, ({ tokens }) => tokens.issue(subject));
    const family = new ModelFamily(sid, subject, refreshToken, this.now);
    this.families.set(sid, family);
    return family;
  }

  /** One presentation of a token of `family`, judged by the rules that hold for everybody. */
  async present(family: ModelFamily, presented: Presentation): Promise<Outcome> {
    const outcome = await this.#rotate(presented);
    if (outcome.kind === 'granted') family.granted(presented, outcome.token, this.now);
    if (outcome.kind === 'invalid_grant') family.refused(presented, this.now);
    return outcome;
  }

  /** A token that is not what was issued; `isTheft` when everything but its step is. */
  async presentForged(family: ModelFamily, token: string, isTheft: boolean, node: number): Promise<void> {
    const outcome = await this.#rotate({ token, key: undefined, node, by: 'forger' });
    if (outcome.kind !== 'invalid_grant') throw violation(`a forged token was ${outcome.kind}`);
    if (isTheft && family.isAlive(this.now)) family.ended = 'reuse';
  }

  async revokeToken(family: ModelFamily, token: string, node: number): Promise<void> {
    const ended = await this.#on(node, ({ tokens }) => tokens.revokeToken(token));
    if (ended !== (family.ended === null))
      throw violation(`logout of a ${family.ended} family said ${ended}`);
    family.ended ??= 'logout';
  }

  async revokeAll(subject: string, node: number): Promise<void> {
    const living = [...this.families.values()].filter((one) => one.subject === subject && one.ended === null);
    const ended = await this.#on(node, ({ tokens }) => tokens.revokeAll(subject));
    if (ended !== living.length) throw violation(`revokeAll ended ${ended} of ${living.length} families`);
    for (const family of living) family.ended = 'logout';
  }

  async passTime(seconds: number): Promise<void> {
    await this.database.passTime(seconds);
    this.now += seconds;
  }

  /** What the database says of every family must be what the history says. */
  async check(): Promise<void> {
    const rows = await this.database.query<Row>(
      `select family_id, generation, encode(step_hash, 'hex') as step_hash, revocation_reason,
              revoked_at is not null as revoked
       from refresh_token`,
    );
    if (rows.length !== this.families.size) {
      throw violation(`${this.families.size} families have ${rows.length} rows`);
    }
    for (const row of rows) this.#checkRow(row, this.families.get(row.family_id)!);
  }

  #checkRow(row: Row, family: ModelFamily): void {
    if (row.revoked !== (family.ended !== null) || row.revocation_reason !== family.ended) {
      throw violation(`the row says ${row.revocation_reason}, the history says ${family.ended}`);
    }
    const living = family.chain.filter((token) => secretsOf(token).stepHash === row.step_hash);
    if (living.length !== 1 || living[0] !== family.chain.at(-1)) {
      throw violation(`the living token is not the last one handed out`);
    }
    if (row.generation !== family.chain.length - 1) {
      throw violation(`${family.chain.length - 1} rotations left generation ${row.generation}`);
    }
    const told = this.nodes.flatMap(({ events }) => events).filter(({ sid }) => sid === family.sid);
    const reused = told.filter(({ type }) => type === 'reused').length;
    if (reused !== (family.ended === 'reuse' ? 1 : 0)) throw violation(`reuse was told ${reused} times`);
    const revoked = told.filter(({ type }) => type === 'revoked').length;
    if (revoked !== (family.ended === null ? 0 : 1)) throw violation(`the end was told ${revoked} times`);
  }

  async #rotate({ token, key, node }: Presentation): Promise<Outcome> {
    try {
      const options = { idempotencyKey: key };
      const { refreshToken } = await this.#on(node, ({ tokens }) => tokens.rotate(token, options));
      return { kind: 'granted', token: refreshToken };
    } catch (error) {
      if (error instanceof InvalidGrantError) return { kind: 'invalid_grant' };
      if (error instanceof InvalidRequestError && error.status === 422) return { kind: 'key_reused' };
      throw error;
    }
  }

  async #on<T>(node: number, work: (node: TestNode) => Promise<T>): Promise<T> {
    Date.now = () => this.#clock() + this.skew;
    try {
      return await work(this.nodes[node % this.nodes.length]!);
    } finally {
      Date.now = this.#clock;
    }
  }
}
