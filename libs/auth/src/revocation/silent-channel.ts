import type { RevocationChannel } from '../core/revocation-ports.js';

/** Where there is nobody to tell and nobody to hear: polling alone serves. */
export const SILENT_CHANNEL: RevocationChannel = {
  announce: () => {},
  open: () => {},
  close: async () => {},
};
