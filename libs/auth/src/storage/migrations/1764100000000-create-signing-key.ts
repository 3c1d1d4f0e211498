import type { MigrationInterface, QueryRunner } from 'typeorm';
import { tableOf } from '../table-name.js';

export class CreateSigningKey1764100000000 implements MigrationInterface {
  readonly name = 'CreateSigningKey1764100000000';

  async up(runner: QueryRunner): Promise<void> {
    const table = tableOf(runner, 'signing_key');
    await runner.query(`
      CREATE TABLE ${table} (
        "kid" text NOT NULL,
        "algorithm" text NOT NULL,
        "state" text NOT NULL,
        "public_key" jsonb NOT NULL,
        "private_key" bytea,
        "authenticator" bytea NOT NULL,
        "published_at" timestamptz NOT NULL,
        "activated_at" timestamptz,
        "retired_at" timestamptz,
        "verify_until" timestamptz,
        "revoked_at" timestamptz,
        CONSTRAINT "signing_key_pkey" PRIMARY KEY ("kid"),
        CONSTRAINT "signing_key_state_check" CHECK (state IN ('pending', 'active', 'retired', 'revoked'))
      )`);
    // What the advisory lock ensures, should anything ever go past it: at most one row of each of the two states.
    await runner.query(
      `CREATE UNIQUE INDEX "signing_key_state_idx" ON ${table} ("state") WHERE state = ANY (ARRAY['pending'::text, 'active'::text])`,
    );
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP TABLE ${tableOf(runner, 'signing_key')}`);
  }
}
