import { DataSource } from 'typeorm';
import { RefreshToken, SigningKeyRecord, tokenFamilyMigrations } from 'nestjs-token-family/typeorm';

/** Makes our tables in an empty database, as an application would. */
export async function migrate(url: string): Promise<void> {
  const source = await new DataSource({
    type: 'postgres',
    url,
    installExtensions: false,
    entities: [RefreshToken, SigningKeyRecord],
    migrations: tokenFamilyMigrations,
  }).initialize();
  await source.runMigrations();
  await source.destroy();
}
