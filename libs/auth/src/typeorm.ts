/** For a data source file of the TypeORM CLI: the entity and the migrations, without NestJS. */
export { tokenFamilyMigrations } from './storage/migrations/index.js';
export { RefreshToken } from './storage/refresh-token.entity.js';
