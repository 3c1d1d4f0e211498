import { Check, Column, Entity, Index } from 'typeorm';
import type { SigningKeyState } from '../core/key-schedule.js';

/**
 * A key that signs access tokens, when keys are managed in the database: `accessToken.managedKeys`.
 *
 * For your own queries (support tools, reports). Change nothing through it: `SigningKeyService` has a call for
 * everything that may be done to a key.
 */
@Entity({ name: 'signing_key' })
@Check('signing_key_state_check', `state IN ('pending', 'active', 'retired', 'revoked')`)
@Index('signing_key_state_idx', ['state'], {
  unique: true,
  where: `state = ANY (ARRAY['pending'::text, 'active'::text])`,
})
export class SigningKeyRecord {
  /** RFC 7638 thumbprint of the public key; the `kid` of its tokens */
  @Column({ name: 'kid', type: 'text', primary: true, primaryKeyConstraintName: 'signing_key_pkey' })
  kid!: string;

  @Column({ name: 'algorithm', type: 'text' })
  algorithm!: string;

  /** at most one row is `active`, and at most one `pending` */
  @Column({ name: 'state', type: 'text' })
  state!: SigningKeyState;

  /** JWK, public members only */
  @Column({ name: 'public_key', type: 'jsonb' })
  publicKey!: Record<string, unknown>;

  /** sealed under a key-encryption key of the application; null once the key cannot sign any more */
  @Column({ name: 'private_key', type: 'bytea', nullable: true })
  privateKey!: Buffer | null;

  /** shows that a node of the application made this key for this algorithm; a row without the right one is not believed. Of a revoked key: that a node revoked it */
  @Column({ name: 'authenticator', type: 'bytea' })
  authenticator!: Buffer;

  @Column({ name: 'published_at', type: 'timestamptz' })
  publishedAt!: Date;

  @Column({ name: 'activated_at', type: 'timestamptz', nullable: true })
  activatedAt!: Date | null;

  @Column({ name: 'retired_at', type: 'timestamptz', nullable: true })
  retiredAt!: Date | null;

  /** then the row is deleted: nothing the key signed can be believed any more */
  @Column({ name: 'verify_until', type: 'timestamptz', nullable: true })
  verifyUntil!: Date | null;

  @Column({ name: 'revoked_at', type: 'timestamptz', nullable: true })
  revokedAt!: Date | null;
}
