import { generateKeyPairSync, randomBytes } from 'node:crypto';
import type { TokenFamilyOptions } from 'nestjs-token-family';
import { createDatabase, type TestDatabase } from '../support/database.js';
import type { NodeMessage } from './node.program.js';
import { NodeProcess } from './node-process.js';
import { OwnPostgres } from './postgres.js';
import { PostgresProxy } from './postgres-proxy.js';
import { Proxy } from './proxy.js';

/** Durations in seconds, unless they say otherwise. */
export interface ClusterSettings {
  readonly nodes?: number;
  readonly leeway?: number;
  readonly lifetime?: number;
  readonly pollInterval?: number;
  readonly maxStaleness?: number;
  readonly lockTimeout?: number;
  readonly queryTimeout?: number;
  /** whether revocations are heard by NOTIFY as well; absent: the library's default */
  readonly listen?: boolean;
  readonly poolSize?: number;
  /** milliseconds the claims provider takes; none is configured when absent */
  readonly claimsDelay?: number;
  /** a PostgreSQL of its own, which may be crashed */
  readonly ownPostgres?: boolean;
  /** what a node's connections set, as in `libpq` options: `-c name=value` */
  readonly sessionOptions?: string;
}

const DEFAULTS = {
  nodes: 3,
  leeway: 0,
  lifetime: 300,
  pollInterval: 0.25,
  maxStaleness: 3,
  lockTimeout: 1,
  queryTimeout: 2,
  poolSize: 5,
} satisfies ClusterSettings;

/** Keys of one system: every cluster of a run gets the same. */
const signingKey = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({
  type: 'pkcs8',
  format: 'pem',
});
const refreshSecret = randomBytes(32).toString('base64');

/** One node, and the two links through which everybody reaches it and it reaches the database. */
export class ClusterNode {
  /** those of its families, in order, across restarts */
  readonly events: Extract<NodeMessage, { event: object }>['event'][] = [];
  #process: NodeProcess | undefined;
  #port = 0;

  private constructor(
    readonly name: string,
    /** clients ↔ this node */
    readonly front: Proxy,
    /** this node ↔ PostgreSQL */
    readonly link: PostgresProxy,
    private readonly settings: Required<Pick<ClusterSettings, 'poolSize'>> & ClusterSettings,
    private readonly databaseUrl: string,
  ) {}

  static async create(name: string, settings: typeof DEFAULTS & ClusterSettings, databaseUrl: string) {
    const target = new URL(databaseUrl);
    const databasePort = Number(target.port);
    const link = await PostgresProxy.listen(() => databasePort);
    target.port = String(link.tcp.port);
    target.searchParams.set('application_name', name);
    if (settings.sessionOptions !== undefined) target.searchParams.set('options', settings.sessionOptions);
    let node: ClusterNode;
    const front = await Proxy.listen(() => node.#port);
    node = new ClusterNode(name, front, link, settings, target.href);
    return node;
  }

  /** where clients reach it */
  get url(): string {
    return this.front.url;
  }

  get isUp(): boolean {
    return this.#process !== undefined;
  }

  get process(): NodeProcess {
    if (!this.#process) throw new Error(`${this.name} is down`);
    return this.#process;
  }

  /** @param clockShift milliseconds its wall clock is ahead */
  async start(clockShift = 0): Promise<void> {
    const { poolSize, claimsDelay } = this.settings;
    this.#process = await NodeProcess.start(
      {
        port: this.#port,
        databaseUrl: this.databaseUrl,
        poolSize,
        clockShift,
        ...(claimsDelay !== undefined && { claimsDelay }),
        options: optionsFor(this.settings),
      },
      (event) => this.events.push(event),
    );
    this.#port = this.#process.port;
  }

  async kill(): Promise<void> {
    const { process } = this;
    this.#process = undefined;
    await process.kill();
  }

  async stop(): Promise<void> {
    const { process } = this;
    await process.stop();
    this.#process = undefined;
  }

  /** Up, running, every link whole, the clock right. */
  async heal(): Promise<void> {
    this.front.heal();
    this.link.heal();
    if (!this.#process) return this.start();
    this.#process.resume();
    this.#process.shiftClock(0);
  }

  async close(): Promise<void> {
    if (this.#process) await this.kill();
    await Promise.all([this.front.close(), this.link.tcp.close()]);
  }
}

/** Several nodes on one database, each as a process behind links of its own. */
export class Cluster {
  private constructor(
    readonly settings: typeof DEFAULTS & ClusterSettings,
    readonly database: TestDatabase,
    readonly nodes: readonly ClusterNode[],
    private readonly own: OwnPostgres | undefined,
  ) {}

  static async start(changes: ClusterSettings = {}): Promise<Cluster> {
    const settings = { ...DEFAULTS, ...changes };
    const own = settings.ownPostgres ? await OwnPostgres.start() : undefined;
    const database = await (own ? own.createDatabase() : createDatabase());
    const names = Array.from({ length: settings.nodes }, (_, index) => `node_${index}`);
    const nodes = await Promise.all(names.map((name) => ClusterNode.create(name, settings, database.url)));
    const cluster = new Cluster(settings, database, nodes, own);
    try {
      await Promise.all(nodes.map((node) => node.start()));
    } catch (error) {
      await cluster.close();
      throw error;
    }
    return cluster;
  }

  /** @throws {Error} it runs on the shared one */
  get postgres(): OwnPostgres {
    if (!this.own) throw new Error('This cluster has no PostgreSQL of its own: ask for ownPostgres');
    return this.own;
  }

  at(index: number): ClusterNode {
    return this.nodes[index % this.nodes.length]!;
  }

  /** Until everything is as it was at the start. */
  async heal(): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.heal()));
  }

  /** Connections the nodes have at this moment, and how many of them are within a transaction and do nothing. */
  async connections(): Promise<{ open: number; idleInTransaction: number }> {
    const [row] = await this.database.query<{ open: number; idleInTransaction: number }>(
      `select count(*)::int as open,
              count(*) filter (where state like 'idle in transaction%')::int as "idleInTransaction"
       from pg_stat_activity where application_name like 'node\\_%' and datname = current_database()`,
    );
    return row!;
  }

  /** Ends up to so many of the nodes' connections, whatever they are doing. @returns how many */
  async terminateBackends(most = 1000): Promise<number> {
    const ended = await this.database.query(
      `select pg_terminate_backend(pid) from pg_stat_activity
       where application_name like 'node\\_%' and datname = current_database() order by random() limit $1`,
      [most],
    );
    return ended.length;
  }

  async close(): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.close()));
    await this.database.drop();
    await this.own?.release();
  }
}

function optionsFor(settings: ClusterSettings): TokenFamilyOptions {
  const { leeway, lifetime, pollInterval, maxStaleness, lockTimeout, queryTimeout, listen } = settings;
  return {
    issuer: 'https://issuer.test',
    audience: 'https://api.test',
    accessToken: { keys: [signingKey], lifetime },
    refreshToken: { keys: [{ id: 1, secret: refreshSecret }], leeway },
    revocation: { pollInterval, maxStaleness, ...(listen !== undefined && { listen }) },
    database: { lockTimeout, queryTimeout },
  };
}
