import { generateKeyPairSync, randomBytes } from 'node:crypto';
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

  /** PKCS #8 in PEM, for ES256. */
  signingKey(): Promise<string> {
    return this.#obtain(
      'signing',
      () =>
        generateKeyPairSync('ec', {
          namedCurve: 'P-256',
          privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
          publicKeyEncoding: { type: 'spki', format: 'pem' },
        }).privateKey,
    );
  }

  /** 32 random bytes, as text. */
  refreshTokenSecret(): Promise<string> {
    return this.#obtain('refresh-token', () => randomBytes(32).toString('base64'));
  }

  warn(): void {
    this.#logger.warn(
      'DEVELOPMENT KEYS: generated, and kept in plain text in the database. Never use them in production.',
    );
  }

  /** Of several nodes that start at once, one inserts; all read what it inserted. */
  async #obtain(name: string, generate: () => string): Promise<string> {
    const existing = await this.keys.findOneBy({ name });
    if (existing) return existing.material;
    await this.keys.createQueryBuilder().insert().values({ name, material: generate() }).orIgnore().execute();
    return (await this.keys.findOneByOrFail({ name })).material;
  }
}
