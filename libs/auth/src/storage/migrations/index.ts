import { CreateRefreshToken1764000000000 } from './1764000000000-create-refresh-token.js';
import { CreateSigningKey1764100000000 } from './1764100000000-create-signing-key.js';

/** The tables of this package, in order: list them beside your own migrations. */
export const tokenFamilyMigrations = [CreateRefreshToken1764000000000, CreateSigningKey1764100000000];
