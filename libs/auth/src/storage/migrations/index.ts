import { CreateRefreshToken1764000000000 } from './1764000000000-create-refresh-token.js';

/** The tables of this package, in order: list them beside your own migrations. */
export const tokenFamilyMigrations = [CreateRefreshToken1764000000000];
