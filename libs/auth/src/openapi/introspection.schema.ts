import type { ApiResponseSchemaHost } from '@nestjs/swagger';

type Schema = ApiResponseSchemaHost['schema'];

const TEXT = { type: 'string' };
const SECONDS = { type: 'integer', description: 'Seconds since the epoch.' };

const INACTIVE: Schema = {
  title: 'Inactive',
  description: 'Whatever the cause, and nothing else.',
  type: 'object',
  required: ['active'],
  properties: { active: { type: 'boolean', enum: [false] } },
  additionalProperties: false,
};

const ACCESS_TOKEN: Schema = {
  title: 'Access token',
  description: 'Its claims, the ones of the application among them.',
  type: 'object',
  required: [
    'active',
    'token_type',
    'token_use',
    'iss',
    'sub',
    'aud',
    'exp',
    'iat',
    'jti',
    'client_id',
    'sid',
  ],
  properties: {
    active: { type: 'boolean', enum: [true] },
    token_type: { type: 'string', enum: ['Bearer'] },
    token_use: { type: 'string', enum: ['access_token'] },
    iss: TEXT,
    sub: TEXT,
    aud: { oneOf: [TEXT, { type: 'array', items: TEXT }] },
    exp: SECONDS,
    iat: SECONDS,
    jti: TEXT,
    client_id: TEXT,
    sid: { type: 'string', format: 'uuid' },
    scope: TEXT,
  },
  additionalProperties: true,
};

const REFRESH_TOKEN: Schema = {
  title: 'Refresh token',
  description: 'Whether its session lives: `token_use` tells it apart, for it is no Bearer token.',
  type: 'object',
  required: ['active', 'token_use', 'sub', 'client_id', 'sid'],
  properties: {
    active: { type: 'boolean', enum: [true] },
    token_use: { type: 'string', enum: ['refresh_token'] },
    sub: TEXT,
    client_id: TEXT,
    sid: { type: 'string', format: 'uuid' },
    scope: TEXT,
  },
  additionalProperties: false,
};

/** RFC 7662 section 2.2. */
export const INTROSPECTION: Schema = { oneOf: [ACCESS_TOKEN, REFRESH_TOKEN, INACTIVE] };
