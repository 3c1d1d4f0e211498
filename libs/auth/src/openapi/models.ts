import { ApiProperty, ApiSchema } from '@nestjs/swagger';
import type { Device } from '../core/family.js';
import type { SessionBody } from '../http/sessions.controller.js';
import type { TokenResponseBody } from '../http/token-response.js';

@ApiSchema({ name: 'TokenResponse', description: 'RFC 6749 section 5.1.' })
export class TokenResponseModel implements TokenResponseBody {
  @ApiProperty({ type: 'string', description: 'A JWT of RFC 9068.', example: '<access token>' })
  readonly access_token!: string;

  @ApiProperty({ type: 'string', enum: ['Bearer'], example: 'Bearer' })
  readonly token_type!: 'Bearer';

  @ApiProperty({
    type: 'integer',
    minimum: 0,
    description: 'Seconds until the access token expires.',
    example: 287,
  })
  readonly expires_in!: number;

  @ApiProperty({
    type: 'string',
    required: false,
    description: 'Opaque. Absent with the cookie carrier: it is in the cookie then, and there alone.',
    example: '<refresh token>',
  })
  readonly refresh_token?: string;

  @ApiProperty({
    type: 'integer',
    minimum: 0,
    description: 'Seconds until the refresh token expires when it is not used, rounded down to the hour.',
    example: 604_800,
  })
  readonly refresh_expires_in!: number;

  @ApiProperty({
    type: 'string',
    required: false,
    description:
      'What the access token grants, words separated by spaces; absent where the login granted no scope.',
    example: 'read write',
  })
  readonly scope?: string;

  @ApiProperty({
    type: 'string',
    format: 'uuid',
    description: 'The session, which stays the same at every refresh.',
    example: '00000000-0000-7000-8000-000000000001',
  })
  readonly sid!: string;
}

@ApiSchema({ name: 'TokenError', description: 'RFC 6749 section 5.2, RFC 6750 section 3.1.' })
export class TokenErrorModel {
  @ApiProperty({ type: 'string', description: 'What to do, in a word.', example: 'invalid_grant' })
  readonly error!: string;

  @ApiProperty({
    type: 'string',
    required: false,
    description: 'For the developer who reads it; a program reads `error`.',
  })
  readonly error_description?: string;

  @ApiProperty({
    type: 'string',
    required: false,
    description: 'With `insufficient_scope`: all that the route demands, words separated by spaces.',
  })
  readonly scope?: string;

  @ApiProperty({
    type: 'number',
    required: false,
    description: 'With `insufficient_user_authentication`: seconds the login may lie back. RFC 9470.',
  })
  readonly max_age?: number;
}

@ApiSchema({ name: 'TokenSession' })
export class TokenSessionModel implements SessionBody {
  @ApiProperty({ type: 'string', format: 'uuid', example: '00000000-0000-7000-8000-000000000001' })
  readonly sid!: string;

  @ApiProperty({ type: 'boolean', description: 'Whether the access token of this request is of it.' })
  readonly current!: boolean;

  @ApiProperty({ type: 'string', format: 'date-time', description: 'The login.' })
  readonly issued_at!: string;

  @ApiProperty({
    type: 'string',
    format: 'date-time',
    required: false,
    description: 'The last refresh, rounded down to the hour. Absent for the current session.',
  })
  readonly last_used_at?: string;

  @ApiProperty({
    type: 'string',
    format: 'date-time',
    description: 'It ends then, however often it is used.',
  })
  readonly expires_at!: string;

  @ApiProperty({
    type: 'object',
    nullable: true,
    additionalProperties: true,
    description: 'What the login said of the device.',
  })
  readonly device!: Device | null;
}

@ApiSchema({ name: 'TokenRevocations' })
export class TokenRevocationsModel {
  @ApiProperty({
    type: 'string',
    format: 'uuid',
    isArray: true,
    description: 'Sessions that are over; at most 10,000.',
  })
  readonly sids!: string[];

  @ApiProperty({
    type: 'number',
    required: false,
    description: 'The `since` of the next page, in milliseconds since the epoch; absent on the last one.',
  })
  readonly next?: number;
}

@ApiSchema({ name: 'TokenSigningKey', description: 'RFC 7517 section 4: the public members alone.' })
export class SigningKeyModel {
  @ApiProperty({ type: 'string', enum: ['EC', 'RSA'] })
  readonly kty!: string;

  @ApiProperty({
    type: 'string',
    description: 'The thumbprint of RFC 7638, unless the key came with a name.',
  })
  readonly kid!: string;

  @ApiProperty({ type: 'string', enum: ['ES256', 'RS256'] })
  readonly alg!: string;

  @ApiProperty({ type: 'string', enum: ['sig'] })
  readonly use!: string;

  @ApiProperty({ type: 'string', required: false, description: 'EC: the curve.' })
  readonly crv?: string;

  @ApiProperty({ type: 'string', required: false, description: 'EC: a coordinate, base64url.' })
  readonly x?: string;

  @ApiProperty({ type: 'string', required: false, description: 'EC: a coordinate, base64url.' })
  readonly y?: string;

  @ApiProperty({ type: 'string', required: false, description: 'RSA: the modulus, base64url.' })
  readonly n?: string;

  @ApiProperty({ type: 'string', required: false, description: 'RSA: the exponent, base64url.' })
  readonly e?: string;
}

@ApiSchema({ name: 'TokenKeySet', description: 'RFC 7517 section 5.' })
export class KeySetModel {
  @ApiProperty({ type: () => SigningKeyModel, isArray: true })
  readonly keys!: SigningKeyModel[];
}
