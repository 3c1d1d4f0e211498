/** Why a file cannot keep a refresh token. */
export type FileStorageErrorCode =
  /** others may read or write it, or it is another user's */
  | 'ERR_FILE_NOT_PRIVATE'
  /** a symbolic link, a directory or a device is in its place */
  | 'ERR_NOT_A_FILE'
  /** nothing is in it: something other than this storage has written to it */
  | 'ERR_FILE_EMPTY'
  /** the system does not let it be read; `cause` says why */
  | 'ERR_FILE_UNREADABLE'
  /** the system does not let it be written or removed; `cause` says why */
  | 'ERR_FILE_UNWRITABLE';

/** What a file storage rejects with. The message names the file and the remedy, and nothing of what is in it. */
export class FileStorageError extends Error {
  override readonly name = 'FileStorageError';

  constructor(
    readonly code: FileStorageErrorCode,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** The code of a system error, such as ENOENT. */
export function codeOf(error: unknown): unknown {
  return (error as { code?: unknown } | null)?.code;
}
