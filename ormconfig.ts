import { DataSource } from 'typeorm';
import { dataSourceOptions } from './src/database/data-source.js';

const url = process.env['DATABASE_URL'];
if (!url) {
  throw new Error(
    'DATABASE_URL is not set. Start a database with `npm run db`, and set the DATABASE_URL it prints.',
  );
}

/** For the TypeORM command line: `npm run migration:run`, `migration:revert`, `migration:show`. */
export default new DataSource(dataSourceOptions(url));
