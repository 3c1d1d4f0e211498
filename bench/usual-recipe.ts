import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { JwtService } from '@nestjs/jwt';
import bcrypt from 'bcrypt';
import { Column, DataSource, Entity } from 'typeorm';
import type { Contender } from './measure.js';
import { Queue } from './queue.js';
import { CHAINS, POOL_SIZE } from './rotation-scale.js';

const ACCESS_SECRET = randomBytes(32).toString('hex');
const REFRESH_SECRET = randomBytes(32).toString('hex');
const BCRYPT_COST = 10;

@Entity('users')
class User {
  @Column({ type: 'uuid', primary: true })
  id!: string;

  @Column({ type: 'text' })
  email!: string;

  @Column({ type: 'text' })
  password!: string;

  @Column({ name: 'refresh_token_hash', type: 'text', nullable: true })
  refreshTokenHash!: string | null;
}

interface Hashing {
  readonly name: string;
  hash(text: string): Promise<string>;
  matches(text: string, hash: string): Promise<boolean>;
}

const withBcrypt: Hashing = {
  name: 'usual recipe, bcrypt',
  hash: (text) => bcrypt.hash(text, BCRYPT_COST),
  matches: (text, hash) => bcrypt.compare(text, hash),
};

const withSha256: Hashing = {
  name: 'usual recipe, sha256',
  hash: async (text) => createHash('sha256').update(text).digest('hex'),
  matches: async (text, hash) => createHash('sha256').update(text).digest('hex') === hash,
};

/**
 * Refresh as the tutorials write it: find the user, compare the hash of the stored token, sign two tokens with
 * string secrets, save the new token's hash. Without the passport strategy that would verify the old token first.
 *
 * Only a yardstick: two requests at once can both win here, and a stolen token is never noticed.
 *
 * @returns the recipe with bcrypt, and the same with SHA-256 in its place
 */
export async function openUsualRecipe(url: string): Promise<Contender[]> {
  const source = await new DataSource({
    type: 'postgres',
    url,
    installExtensions: false,
    entities: [User],
    poolSize: POOL_SIZE,
  }).initialize();
  await source.query(
    `create table users (id uuid primary key, email text not null, password text not null, refresh_token_hash text)`,
  );
  const [bcryptRecipe, sha256Recipe] = [
    await recipeOn(source, withBcrypt),
    await recipeOn(source, withSha256),
  ];
  return [{ ...bcryptRecipe, isSlow: true, close: () => source.destroy() }, sha256Recipe];
}

async function recipeOn(source: DataSource, hashing: Hashing): Promise<Contender> {
  const users = source.getRepository(User);
  const jwt = new JwtService({});

  async function refresh(session: { id: string; refreshToken: string }): Promise<void> {
    const user = await users.findOneByOrFail({ id: session.id });
    if (!user.refreshTokenHash || !(await hashing.matches(session.refreshToken, user.refreshTokenHash))) {
      throw new Error('Access denied');
    }
    const payload = { sub: user.id, email: user.email };
    const [, refreshToken] = await Promise.all([
      jwt.signAsync(payload, { secret: ACCESS_SECRET, expiresIn: '15m' }),
      // With an id, or two tokens of one second would be the same.
      jwt.signAsync(payload, { secret: REFRESH_SECRET, expiresIn: '7d', jwtid: randomUUID() }),
    ]);
    user.refreshTokenHash = await hashing.hash(refreshToken);
    await users.save(user);
    session.refreshToken = refreshToken;
  }

  const firstToken = 'a first token';
  const refreshTokenHash = await hashing.hash(firstToken);
  const sessions = Array.from({ length: CHAINS }, () => ({ id: randomUUID(), refreshToken: firstToken }));
  await users.insert(
    sessions.map(({ id }) => ({ id, email: `${id}@example.test`, password: '', refreshTokenHash })),
  );
  const idle = new Queue(sessions);
  return { name: hashing.name, once: () => idle.lend(refresh), close: async () => {} };
}
