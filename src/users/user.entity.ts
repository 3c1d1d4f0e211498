import { Column, Entity, PrimaryColumn, Unique } from 'typeorm';

@Entity({ name: 'demo_user' })
@Unique('demo_user_username_key', ['username'])
export class User {
  @PrimaryColumn({ name: 'id', type: 'uuid', primaryKeyConstraintName: 'demo_user_pkey' })
  id!: string;

  @Column({ name: 'username', type: 'text' })
  username!: string;

  /** argon2id, with its parameters and salt */
  @Column({ name: 'password_hash', type: 'text' })
  passwordHash!: string;
}
