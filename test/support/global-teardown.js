import { tsImport } from 'tsx/esm/api';

const { stopServer } = await tsImport('./server.ts', import.meta.url);

export default stopServer;
