import { create, getAdapter } from 'axios';
import type { AxiosError, AxiosInstance, AxiosResponse, InternalAxiosRequestConfig } from 'axios';
import ky, { type KyInstance } from 'ky';
import type { TokenClient } from 'token-family-client';

/* As docs/client.md shows them, word for word. */

export function kyWith(client: TokenClient, baseUrl: string): KyInstance {
  // Longer than the client's patience: it waits out what is short by itself.
  return ky.create({ baseUrl, fetch: client.fetch, timeout: 40_000 });
}

export function axiosWith(client: TokenClient, baseURL: string): AxiosInstance {
  return create({ baseURL, adapter: 'fetch', env: { fetch: client.fetch } });
}

export function axiosWrapped(client: TokenClient, baseURL: string, adapter: 'xhr' | 'http'): AxiosInstance {
  const send = getAdapter(adapter);
  async function sendAuthorized(config: InternalAxiosRequestConfig): Promise<AxiosResponse> {
    const signal = (config.signal ?? new AbortController().signal) as AbortSignal;
    const token = await client.getAccessToken({ signal });
    const { session } = client;
    config.headers.setAuthorization(`Bearer ${token}`);
    try {
      return await send(config);
    } catch (error) {
      const { response } = error as AxiosError;
      if (!/invalid_token/.test(String(response?.headers['www-authenticate']))) throw error;
      const next = await client.getAccessToken({ refused: token, signal });
      // Fresh ones are refused, too; another user has logged in; a stream has been read.
      if (next === token || client.session !== session || 'pipe' in Object(config.data)) throw error;
      config.headers.setAuthorization(`Bearer ${next}`);
      return send(config);
    }
  }
  return create({ baseURL, allowAbsoluteUrls: false, adapter: sendAuthorized });
}
