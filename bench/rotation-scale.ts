/** Families or users of each contender: many more than are ever in flight, so that no two requests meet on one row. */
export const CHAINS = 1000;

/** Connections of each contender: the default of `pg` and of TypeORM. */
export const POOL_SIZE = 10;
