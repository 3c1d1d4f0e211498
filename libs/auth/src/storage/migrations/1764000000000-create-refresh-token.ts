import type { MigrationInterface, QueryRunner } from 'typeorm';
import { tableOf } from '../table-name.js';

export class CreateRefreshToken1764000000000 implements MigrationInterface {
  readonly name = 'CreateRefreshToken1764000000000';

  async up(runner: QueryRunner): Promise<void> {
    const table = tableOf(runner, 'refresh_token');
    // A rotation rewrites no indexed column and finds room on its page (fillfactor), so that every update is HOT.
    await runner.query(`
      CREATE TABLE ${table} (
        "family_id" uuid NOT NULL,
        "subject" text NOT NULL,
        "client_id" text NOT NULL,
        "generation" integer NOT NULL,
        "root_hash" bytea NOT NULL,
        "step_hash" bytea NOT NULL,
        "parent_hash" bytea,
        "attempt_hash" bytea,
        "key_id" smallint NOT NULL,
        "issued_at" timestamptz NOT NULL,
        "rotated_at" timestamptz NOT NULL,
        "idle_expires_at" timestamptz NOT NULL,
        "expires_at" timestamptz NOT NULL,
        "revoked_at" timestamptz,
        "revocation_reason" text,
        "scope" text,
        "claims" jsonb,
        "device" jsonb,
        CONSTRAINT "refresh_token_pkey" PRIMARY KEY ("family_id")
      ) WITH (fillfactor = 70)`);
    // Partial, so that a login under a limit of sessions does not read what has ended; no rotation writes revoked_at.
    await runner.query(
      `CREATE INDEX "refresh_token_subject_idx" ON ${table} ("subject", "family_id") WHERE revoked_at IS NULL`,
    );
    await runner.query(
      `CREATE INDEX "refresh_token_revoked_at_idx" ON ${table} ("revoked_at") WHERE revoked_at IS NOT NULL`,
    );
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP TABLE ${tableOf(runner, 'refresh_token')}`);
  }
}
