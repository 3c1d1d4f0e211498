/** In what state both tokens of a login are when a case begins. */
export type LoginState = 'good' | 'expired';

export interface Login {
  readonly refreshToken: string;
  readonly accessToken: string;
}

/** One of those that get the same requests. */
export interface Party {
  readonly url: string;
  logIn(clientId: string, state: LoginState): Promise<Login>;
  /** Moves what has happened to a login into the past, by more than any request takes. */
  passTime(login: Login): Promise<void>;
  close(): Promise<void>;
}
