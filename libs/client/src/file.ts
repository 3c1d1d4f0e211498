export { FileStorageError, type FileStorageErrorCode } from './file/errors.js';
export { fileStorage } from './file/file-storage.js';
