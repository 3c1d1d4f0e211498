import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import { parseDuration, type Duration } from '../core/lifetime.js';
import { principalOf } from './principal.js';
import { demand } from './requirements.js';

/** RFC 6749 section 3.3; a word without a quote or a backslash needs no escape in a challenge either. */
const SCOPE_WORD = /^[\x21\x23-\x5b\x5d-\x7e]+$/;

/** Opens a route, or every route of a controller, to requests without an access token; one that is sent is not looked at. */
export const Public = () => demand({ openness: 'public' });

/**
 * Lets requests without an access token pass, `@CurrentUser()` being `undefined` then. A token that is sent has to be a
 * good one.
 */
export const OptionalAuth = () => demand({ openness: 'optional' });

/**
 * Demands every one of `scope`, on top of what the controller and other decorators demand; without it the answer is 403 `insufficient_scope`.
 *
 * @param scope a word each: `@RequireScope('orders:read', 'orders:write')`
 * @throws {TypeError} no word of RFC 6749 section 3.3
 */
export const RequireScope = (...scope: string[]) => {
  if (scope.length === 0 || !scope.every((word) => SCOPE_WORD.test(word))) {
    throw new TypeError('@RequireScope() takes one or more words of RFC 6749 section 3.3');
  }
  return demand({ scope });
};

/**
 * Demands a login that is not older than `maxAge`, whatever was refreshed since; an older one is answered as RFC 9470
 * says, and the client asks its user to log in again.
 *
 * @param maxAge seconds, or a text such as `'5m'`
 * @throws {TypeError} no duration
 */
export const Fresh = (maxAge: Duration) => {
  const seconds = parseDuration(maxAge);
  if (seconds === null) throw new TypeError("@Fresh() takes a number of seconds, or a text such as '5m'");
  return demand({ maxAge: seconds });
};

/**
 * Asks the database at every request whether the session lives, so that a revocation holds from its commit on. Costs a
 * query, and the route needs the database: without it the answer is 503.
 */
export const Strict = () => demand({ strict: true });

/**
 * The claims `AccessGuard` verified; `undefined` where it did not run, or let a request pass without a token.
 *
 * A socket has one user for all of its messages: the claims verified last, in `@Public()` handlers, too, until
 * `SocketSessions` ends its session. Where `SocketSessions` keeps the token they are never of another session. A guard
 * that takes a token from each message has to hand the claims over itself: messages overlap, and this would tell one
 * the user of another.
 */
export const CurrentUser = createParamDecorator((_: unknown, context: ExecutionContext) =>
  principalOf(context),
);

/** The session (`sid`) of the access token; `undefined` where there is none. */
export const CurrentSession = createParamDecorator(
  (_: unknown, context: ExecutionContext) => principalOf(context)?.sid,
);
