/** What becomes of one request; `answer` lets the server process it. */
export type Trouble = (answer: () => Promise<Response>) => Promise<Response>;

/** It never arrives. */
export const lost: Trouble = async () => {
  await new Promise((resolve) => setTimeout(resolve, 5));
  throw new TypeError('fetch failed');
};

/** It is processed, and the answer does not arrive. */
export const unanswered: Trouble = async (answer) => {
  await answer();
  throw new TypeError('fetch failed');
};

/** Neither it nor anything else arrives, ever. */
export const hanging: Trouble = () => new Promise(() => {});

/** It is processed, and the answer comes after so many seconds. */
export function late(seconds: number): Trouble {
  return async (answer) => {
    const response = await answer();
    await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
    return response;
  };
}

/** Somebody else answers, and the server never sees it. */
export function answered(
  status: number,
  body: unknown = null,
  headers: Record<string, string> = {},
): Trouble {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  const type = typeof body === 'string' ? 'text/html' : 'application/json';
  return async () => {
    // Takes its time, as everything does: who asks again at once would ask for ever.
    await new Promise((resolve) => setTimeout(resolve, 5));
    return new Response([204, 304].includes(status) ? null : text, {
      status,
      headers: { 'content-type': type, ...headers },
    });
  };
}

/** It is processed, and the answer becomes another one on its way. */
export function altered(change: (text: string, status: number) => [text: string, status: number]): Trouble {
  return async (answer) => {
    const response = await answer();
    const [text, status] = change(await response.text(), response.status);
    return new Response(text, { status, headers: response.headers });
  };
}

/** Holds up what passes, until it is opened. */
export class Gate {
  readonly #opened: Promise<void>;
  open!: () => void;
  /** how many have come to it */
  arrived = 0;

  constructor() {
    this.#opened = new Promise((resolve) => (this.open = resolve));
  }

  async pass(): Promise<void> {
    this.arrived++;
    await this.#opened;
  }

  /** before the server sees it */
  readonly request: Trouble = async (answer) => {
    await this.pass();
    return answer();
  };

  /** after the server has answered */
  readonly response: Trouble = async (answer) => {
    const response = await answer();
    await this.pass();
    return response;
  };
}
