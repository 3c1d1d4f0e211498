import { Column, Entity, Index } from 'typeorm';

/**
 * One entry of the audit trail: what happened to a session beyond the ordinary.
 *
 * For your own queries. A table of its own, which only those need that turn `audit.enabled` on: then list this entity
 * and `tokenFamilyAuditMigrations` with your data source.
 */
@Entity({ name: 'token_audit' })
@Index('token_audit_subject_idx', ['subject', 'id'])
export class TokenAudit {
  /** UUIDv7 made by the node the event happened on */
  @Column({ name: 'id', type: 'uuid', primary: true, primaryKeyConstraintName: 'token_audit_pkey' })
  id!: string;

  /** on the database's clock */
  @Column({ name: 'at', type: 'timestamptz' })
  at!: Date;

  /** `reused`, `forged`, `advanced`, `retried` (a late one) or `revoked` (any but a logout) */
  @Column({ name: 'type', type: 'text' })
  type!: string;

  @Column({ name: 'sid', type: 'uuid' })
  sid!: string;

  @Column({ name: 'subject', type: 'text' })
  subject!: string;

  @Column({ name: 'client_id', type: 'text', nullable: true })
  clientId!: string | null;

  /** of the token that was presented */
  @Column({ name: 'generation', type: 'integer', nullable: true })
  generation!: number | null;

  /** `reason` of a revocation, `lost` commits of an advance, `late` of a retry */
  @Column({ name: 'detail', type: 'jsonb', nullable: true })
  detail!: Record<string, string | number | boolean> | null;
}
