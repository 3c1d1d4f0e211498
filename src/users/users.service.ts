import { randomUUID } from 'node:crypto';
import { hash, verify } from '@node-rs/argon2';
import { Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import { Repository } from 'typeorm';
import { User } from './user.entity.js';

export const DEMO_USERS = [
  { username: 'alice', password: 'wonderland' },
  { username: 'bob', password: 'builder' },
];

@Injectable()
export class UsersService implements OnApplicationBootstrap {
  /** Verified when there is no such user, so that a wrong name takes as long as a wrong password. */
  readonly #nobody = hash(randomUUID());

  constructor(@InjectRepository(User) private readonly users: Repository<User>) {}

  /** Several nodes may start at once: whoever comes second finds the user there. */
  async onApplicationBootstrap(): Promise<void> {
    for (const { username, password } of DEMO_USERS) {
      if (await this.users.existsBy({ username })) continue;
      const user = { id: randomUUID(), username, passwordHash: await hash(password) };
      await this.users.createQueryBuilder().insert().values(user).orIgnore().execute();
    }
  }

  /** The user's id, if name and password are right; null otherwise, after the same time: there is one row to read either way. */
  async authenticate(username: string, password: string): Promise<string | null> {
    const [found] = await this.users.query<{ id: string | null; hash: string }[]>(
      `select id, password_hash as hash from demo_user where username = $1
       union all select null, $2 order by id nulls last limit 1`,
      [username, await this.#nobody],
    );
    const isRight = await verify(found!.hash, password);
    return isRight ? found!.id : null;
  }

  async findById(id: string): Promise<User | null> {
    return this.users.findOneBy({ id });
  }
}
