import { Column, Entity, Index } from 'typeorm';
import type { Claims, Device, RevocationReason } from '../core/family.js';

/**
 * The living refresh token of one login: a row per family, updated in place by every rotation.
 *
 * For your own queries (support tools, reports). Change nothing through it: rotation and revocation are single
 * conditional statements, and `TokenService` has a call for each.
 */
@Entity({ name: 'refresh_token' })
@Index('refresh_token_subject_idx', ['subject', 'familyId'], { where: 'revoked_at IS NULL' })
@Index('refresh_token_revoked_at_idx', ['revokedAt'], { where: 'revoked_at IS NOT NULL' })
export class RefreshToken {
  /** UUIDv7 made by the issuing node; the `sid` claim; no secret */
  @Column({ name: 'family_id', type: 'uuid', primary: true, primaryKeyConstraintName: 'refresh_token_pkey' })
  familyId!: string;

  /** the user, as the application names it */
  @Column({ name: 'subject', type: 'text' })
  subject!: string;

  @Column({ name: 'client_id', type: 'text' })
  clientId!: string;

  /** how many rotations so far */
  @Column({ name: 'generation', type: 'integer' })
  generation!: number;

  /** SHA-256 of the secret every token of the family carries */
  @Column({ name: 'root_hash', type: 'bytea' })
  rootHash!: Buffer;

  /** SHA-256 of the current token's own secret */
  @Column({ name: 'step_hash', type: 'bytea' })
  stepHash!: Buffer;

  @Column({ name: 'parent_hash', type: 'bytea', nullable: true })
  parentHash!: Buffer | null;

  /** SHA-256 of the Idempotency-Key of the request that rotated the parent */
  @Column({ name: 'attempt_hash', type: 'bytea', nullable: true })
  attemptHash!: Buffer | null;

  /** key the current token is encoded under */
  @Column({ name: 'key_id', type: 'smallint' })
  keyId!: number;

  @Column({ name: 'issued_at', type: 'timestamptz' })
  issuedAt!: Date;

  @Column({ name: 'rotated_at', type: 'timestamptz' })
  rotatedAt!: Date;

  /** slides with every rotation; not indexed, so that rotations stay HOT updates */
  @Column({ name: 'idle_expires_at', type: 'timestamptz' })
  idleExpiresAt!: Date;

  /** fixed at login */
  @Column({ name: 'expires_at', type: 'timestamptz' })
  expiresAt!: Date;

  @Column({ name: 'revoked_at', type: 'timestamptz', nullable: true })
  revokedAt!: Date | null;

  @Column({ name: 'revocation_reason', type: 'text', nullable: true })
  revocationReason!: RevocationReason | null;

  /** space-separated */
  @Column({ name: 'scope', type: 'text', nullable: true })
  scope!: string | null;

  @Column({ name: 'claims', type: 'jsonb', nullable: true })
  claims!: Claims | null;

  @Column({ name: 'device', type: 'jsonb', nullable: true })
  device!: Device | null;
}
