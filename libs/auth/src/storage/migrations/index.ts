import { CreateRefreshToken1764000000000 } from './1764000000000-create-refresh-token.js';
import { CreateSigningKey1764100000000 } from './1764100000000-create-signing-key.js';
import { CreateTokenAudit1764200000000 } from './1764200000000-create-token-audit.js';

/** The tables of this package, in order: list them beside your own migrations. */
export const tokenFamilyMigrations = [CreateRefreshToken1764000000000, CreateSigningKey1764100000000];

/** The table of the audit trail, for those who turn `audit.enabled` on: list it beside the others. */
export const tokenFamilyAuditMigrations = [CreateTokenAudit1764200000000];
