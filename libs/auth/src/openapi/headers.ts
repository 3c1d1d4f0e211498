import { ApiHeader, type ApiHeaderOptions } from '@nestjs/swagger';

/** Of a request: how the refresh token is carried in the answer, and which carrier the request itself uses. */
export const CARRIER: ApiHeaderOptions = {
  name: 'X-Token-Carrier',
  required: false,
  description: '`cookie`: the refresh token goes and comes in a cookie, and never in a body.',
  schema: { type: 'string', enum: ['body', 'cookie'], default: 'body' },
};

export const IDEMPOTENCY_KEY: ApiHeaderOptions = {
  name: 'Idempotency-Key',
  required: false,
  description:
    'One random value for each refresh token, made and stored together with it, and sent with every attempt to spend ' +
    'it: a repeat with it gets the same answer at any later time. With the cookie carrier the cookie holds it.',
  schema: { type: 'string', minLength: 16, maxLength: 128 },
};

const IF_NONE_MATCH: ApiHeaderOptions = {
  name: 'If-None-Match',
  required: false,
  description: 'The ETag of an answer that is there already: RFC 9110 section 13.1.2.',
};

export const ApiConditional = (): MethodDecorator & ClassDecorator => ApiHeader(IF_NONE_MATCH);

export const NO_STORE = {
  'Cache-Control': {
    description: 'Nobody keeps this answer.',
    required: true,
    schema: { type: 'string', enum: ['no-store'] },
  },
};

export const NO_CACHE = {
  Pragma: {
    description: 'As RFC 6749 has it.',
    required: true,
    schema: { type: 'string', enum: ['no-cache'] },
  },
};

export const SET_COOKIE = {
  'Set-Cookie': {
    description:
      'With the cookie carrier: `__Host-refresh_token`, HttpOnly, Secure, SameSite=Strict; `Max-Age` in seconds.',
    schema: { type: 'string' },
  },
};

export const CLEARED_COOKIE = {
  'Set-Cookie': {
    description: 'With `invalid_grant`: clears a cookie that brought the token; no other error does.',
    schema: { type: 'string' },
  },
} as const;

export const ENDED_COOKIE = {
  'Set-Cookie': {
    description:
      'With the cookie carrier: clears the cookie, if its token is of a session that has ended by this.',
    schema: { type: 'string' },
  },
} as const;

export const ETAG = {
  ETag: { description: 'Names this very body.', required: true, schema: { type: 'string' } },
};

export const PUBLIC = {
  'Cache-Control': {
    description: 'Everybody may keep it for `max-age` seconds.',
    required: true,
    schema: { type: 'string' },
  },
};

const milliseconds = (description: string) => ({ description, required: true, schema: { type: 'number' } });

export const AS_OF = {
  'Revocations-Since': milliseconds(
    'The question this answers: `since`, or 0. Milliseconds since the epoch.',
  ),
  'Revocations-As-Of': milliseconds(
    'What this is as of, in milliseconds since the epoch on the clock of the database.',
  ),
  'Revocations-Age': milliseconds('How long ago that was, in milliseconds.'),
};
