import type { MigrationInterface, QueryRunner } from 'typeorm';
import { tableOf } from '../table-name.js';

export class CreateTokenAudit1764200000000 implements MigrationInterface {
  readonly name = 'CreateTokenAudit1764200000000';

  async up(runner: QueryRunner): Promise<void> {
    const table = tableOf(runner, 'token_audit');
    await runner.query(`
      CREATE TABLE ${table} (
        "id" uuid NOT NULL,
        "at" timestamptz NOT NULL,
        "type" text NOT NULL,
        "sid" uuid NOT NULL,
        "subject" text NOT NULL,
        "client_id" text,
        "generation" integer,
        "detail" jsonb,
        CONSTRAINT "token_audit_pkey" PRIMARY KEY ("id")
      )`);
    // Of a subject in order of time, as somebody asks who helps a user; by time alone, as pruning does, the key serves.
    await runner.query(`CREATE INDEX "token_audit_subject_idx" ON ${table} ("subject", "id")`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP TABLE ${tableOf(runner, 'token_audit')}`);
  }
}
