import { tsImport } from 'tsx/esm/api';

// Jest maps no module names for this file, so it is loaded as the command line would load it.
const { startServer } = await tsImport('./server.ts', import.meta.url);

export default startServer;
