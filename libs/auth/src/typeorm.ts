/** For a data source file of the TypeORM CLI: the entities and the migrations, without NestJS. */
export { tokenFamilyAuditMigrations, tokenFamilyMigrations } from './storage/migrations/index.js';
export { RefreshToken } from './storage/refresh-token.entity.js';
export { SigningKeyRecord } from './storage/signing-key.entity.js';
export { TokenAudit } from './storage/token-audit.entity.js';
