import { Column, Entity, PrimaryColumn } from 'typeorm';

/** A key in plain text beside the data it protects: for development only. */
@Entity({ name: 'demo_development_key' })
export class DevelopmentKey {
  @PrimaryColumn({ name: 'name', type: 'text', primaryKeyConstraintName: 'demo_development_key_pkey' })
  name!: string;

  @Column({ name: 'material', type: 'text' })
  material!: string;
}
