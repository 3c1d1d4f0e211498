import type { MigrationInterface, QueryRunner } from 'typeorm';

export class CreateDemo1764000100000 implements MigrationInterface {
  readonly name = 'CreateDemo1764000100000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE "demo_user" (
        "id" uuid NOT NULL,
        "username" text NOT NULL,
        "password_hash" text NOT NULL,
        CONSTRAINT "demo_user_pkey" PRIMARY KEY ("id"),
        CONSTRAINT "demo_user_username_key" UNIQUE ("username")
      )`);
    await runner.query(`
      CREATE TABLE "demo_development_key" (
        "name" text NOT NULL,
        "material" text NOT NULL,
        CONSTRAINT "demo_development_key_pkey" PRIMARY KEY ("name")
      )`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP TABLE "demo_development_key"`);
    await runner.query(`DROP TABLE "demo_user"`);
  }
}
