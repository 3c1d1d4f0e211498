import { Readable } from 'node:stream';
import type { AxiosInstance, AxiosRequestConfig } from 'axios';
import type { TokenClient } from 'token-family-client';
import { axiosWith, axiosWrapped, kyWith } from './adapters.js';

/** What a caller got: an answer, or the error's name and code. */
interface Outcome {
  readonly status?: number | undefined;
  readonly data?: unknown;
  readonly name?: string;
  readonly code?: string | undefined;
}

interface Sent {
  readonly json?: unknown;
  readonly stream?: true;
  readonly signal?: AbortSignal;
}

export type Ask = (method: 'GET' | 'POST', path: string, sent?: Sent) => Promise<Outcome>;

const JSON_TYPE = { 'content-type': 'application/json' };
export const STREAMED = { text: 'a body that is read once' };
const chunks = (): Buffer[] =>
  JSON.stringify(STREAMED)
    .split('')
    .map((letter) => Buffer.from(letter));
const webStream = (): ReadableStream => Readable.toWeb(Readable.from(chunks())) as ReadableStream;

function askByKy(client: TokenClient, url: string): Ask {
  const api = kyWith(client, url);
  return (method, path, { json, stream, signal } = {}) => {
    const asked = api(path, {
      method,
      ...(json !== undefined && { json }),
      ...(stream && { body: webStream(), duplex: 'half', headers: JSON_TYPE }),
      ...(signal && { signal }),
    });
    return outcomeOf(asked.then(async (answer) => ({ status: answer.status, data: await answer.json() })));
  };
}

function askByAxios(api: AxiosInstance, streamOf: () => unknown): Ask {
  return (method, url, { json, stream, signal } = {}) => {
    const config: AxiosRequestConfig = {
      method,
      url,
      ...(json !== undefined && { data: json }),
      ...(stream && { data: streamOf(), headers: JSON_TYPE }),
      ...(signal && { signal }),
    };
    return outcomeOf(api.request<unknown>(config));
  };
}

async function outcomeOf(asked: Promise<{ status: number; data: unknown }>): Promise<Outcome> {
  try {
    const { status, data } = await asked;
    return { status, data };
  } catch (error) {
    const { response, name, code } = error as Error & { response?: { status: number }; code?: string };
    return { status: response?.status, name, code };
  }
}

/** `repeatsStreams`: what comes inside a Request can be copied before it is sent. */
interface Library {
  readonly name: string;
  readonly repeatsStreams: boolean;
  readonly askBy: (client: TokenClient, url: string) => Ask;
}

export const LIBRARIES: Library[] = [
  { name: 'ky', repeatsStreams: true, askBy: askByKy },
  {
    name: 'axios',
    repeatsStreams: true,
    askBy: (client, url) => askByAxios(axiosWith(client, url), webStream),
  },
  {
    name: 'axios with another adapter',
    repeatsStreams: false,
    askBy: (client, url) => askByAxios(axiosWrapped(client, url, 'http'), () => Readable.from(chunks())),
  },
];
