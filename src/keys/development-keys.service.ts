import { randomBytes } from 'node:crypto';
import { Injectable, Logger } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import { Repository } from 'typeorm';
import { DevelopmentKey } from './development-key.entity.js';

/**
 * Makes the demo's keys at its first start and keeps them in its database, so that nodes which share one are one
 * system without being handed keys. A real application takes its keys from a secret store instead.
 */
@Injectable()
export class DevelopmentKeys {
  readonly #logger = new Logger(DevelopmentKeys.name);

  constructor(@InjectRepository(DevelopmentKey) private readonly keys: Repository<DevelopmentKey>) {}

  /** 32 random bytes, as text, that refresh tokens are made with. */
  refreshTokenSecret(): Promise<string> {
    return this.#obtain('refresh-token');
  }

  /** The same, that signing keys are sealed with. */
  keyEncryptionSecret(): Promise<string> {
    return this.#obtain('key-encryption');
  }

  /** The same, that the second application authenticates with. */
  resourceServerSecret(): Promise<string> {
    return this.#obtain('resource-server');
  }

  warn(): void {
    this.#logger.warn(
      'DEVELOPMENT KEYS: generated, and kept in plain text in the database. Never use them in production.',
    );
  }

  /** Of several nodes that start at once, one inserts; all read what it inserted. */
  async #obtain(name: string): Promise<string> {
    const existing = await this.keys.findOneBy({ name });
    if (existing) return existing.material;
    const material = randomBytes(32).toString('base64');
    await this.keys.createQueryBuilder().insert().values({ name, material }).orIgnore().execute();
    return (await this.keys.findOneByOrFail({ name })).material;
  }
}
