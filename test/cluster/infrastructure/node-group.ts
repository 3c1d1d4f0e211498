import { generateKeyPairSync, randomBytes } from 'node:crypto';
import type { TokenEventType, TokenFamilyOptions } from 'nestjs-token-family';
import { NodeProcess } from '../node-process.js';

/** One node without links of its own: what lies between it and others is a program of the machine's. */
export class GroupNode {
  #process: NodeProcess;

  constructor(
    readonly name: string,
    process: NodeProcess,
    private readonly startAgain: (port: number) => Promise<NodeProcess>,
  ) {
    this.#process = process;
  }

  get port(): number {
    return this.#process.port;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** As a deployment does it: SIGTERM, and the next version on the same port. */
  async restart(): Promise<void> {
    const { port } = this;
    await this.#process.stop();
    this.#process = await this.startAgain(port);
  }

  get process(): NodeProcess {
    return this.#process;
  }
}

const signingKey = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({
  type: 'pkcs8',
  format: 'pem',
});
const refreshSecret = randomBytes(32).toString('base64');

interface GroupSettings {
  readonly databaseUrl: string;
  readonly replicas?: readonly string[];
  readonly nodes: number;
  readonly poolSize: number;
  readonly leeway: number;
  readonly revocation: NonNullable<TokenFamilyOptions['revocation']>;
  readonly database?: NonNullable<TokenFamilyOptions['database']>;
  /** besides its keys */
  readonly accessToken?: TokenFamilyOptions['accessToken'];
}

export interface NodeGroup {
  readonly nodes: readonly GroupNode[];
  /** how many events of that type all nodes have told */
  told(type: TokenEventType): number;
  close(): Promise<void>;
}

/** Nodes of one system, each a process on the library as it is built. */
export async function startGroup(settings: GroupSettings): Promise<NodeGroup> {
  const { databaseUrl, poolSize, revocation, leeway, database = {}, accessToken = {}, replicas } = settings;
  const options: TokenFamilyOptions = {
    issuer: 'https://issuer.test',
    audience: 'https://api.test',
    accessToken: { keys: [signingKey], ...accessToken },
    refreshToken: { keys: [{ id: 1, secret: refreshSecret }], leeway },
    revocation,
    database: { lockTimeout: 1, queryTimeout: 2, ...database },
  };
  const nodes: GroupNode[] = [];
  const told = new Map<TokenEventType, number>();
  const close = async (): Promise<void> => {
    await Promise.all(nodes.map((node) => node.process.kill()));
  };
  try {
    for (let index = 0; index < settings.nodes; index++) {
      const name = `node_${index}`;
      const url = new URL(databaseUrl);
      url.searchParams.set('application_name', name);
      const start = (port: number): Promise<NodeProcess> =>
        NodeProcess.start(
          { port, databaseUrl: url.href, poolSize, clockShift: 0, options, ...(replicas && { replicas }) },
          ({ type }) => told.set(type, (told.get(type) ?? 0) + 1),
        );
      nodes.push(new GroupNode(name, await start(0), start));
    }
  } catch (error) {
    await close();
    throw error;
  }
  return { nodes, told: (type) => told.get(type) ?? 0, close };
}
