import { ApiProperty, ApiSchema } from '@nestjs/swagger';

const REFRESH_TOKEN = { type: 'string', example: '<refresh token>' } as const;
const CLIENT_ID = {
  type: 'string',
  required: false,
  description:
    'The client the token was issued to; left out, the one of the module, unless HTTP Basic names it.',
  example: 'default',
} as const;
const CLIENT_SECRET = {
  type: 'string',
  required: false,
  format: 'password',
  description: 'Of a client that has one and does not use HTTP Basic.',
  example: '<client secret>',
} as const;

@ApiSchema({ name: 'TokenRefreshRequest' })
export class RefreshRequestModel {
  @ApiProperty({ ...REFRESH_TOKEN, required: false, description: 'Left out where it comes in the cookie.' })
  readonly refresh_token?: string;

  @ApiProperty(CLIENT_ID)
  readonly client_id?: string;

  @ApiProperty(CLIENT_SECRET)
  readonly client_secret?: string;

  @ApiProperty({
    type: 'string',
    format: 'uuid',
    required: false,
    description: 'The session that is meant: of another one nothing is spent, and the answer is 409.',
  })
  readonly sid?: string;
}

@ApiSchema({ name: 'TokenLogoutRequest' })
export class LogoutRequestModel {
  @ApiProperty({
    ...REFRESH_TOKEN,
    required: false,
    description: 'Left out where it comes in the cookie, or an access token says which session to end.',
  })
  readonly refresh_token?: string;

  @ApiProperty({
    type: 'string',
    required: false,
    description:
      'The session ends only if the token was issued to this client; left out, whichever it was issued to.',
    example: 'default',
  })
  readonly client_id?: string;

  @ApiProperty({
    type: 'string',
    format: 'uuid',
    required: false,
    description: 'The session that is meant: a token of another one ends nothing, and its cookie stays.',
  })
  readonly sid?: string;
}

@ApiSchema({ name: 'TokenGrantRequest', description: 'RFC 6749 section 6.' })
export class GrantRequestModel {
  @ApiProperty({ type: 'string', enum: ['refresh_token'] })
  readonly grant_type!: 'refresh_token';

  @ApiProperty(REFRESH_TOKEN)
  readonly refresh_token!: string;

  @ApiProperty({
    type: 'string',
    required: false,
    description:
      'What this access token is to grant of what the login granted, words separated by spaces; left out, all of it.',
    example: 'read',
  })
  readonly scope?: string;

  @ApiProperty(CLIENT_ID)
  readonly client_id?: string;

  @ApiProperty(CLIENT_SECRET)
  readonly client_secret?: string;
}

@ApiSchema({ name: 'AnyTokenRequest', description: 'RFC 7009 section 2.1, RFC 7662 section 2.1.' })
export class AnyTokenRequestModel {
  @ApiProperty({ type: 'string', description: 'A refresh token, or an access token.', example: '<token>' })
  readonly token!: string;

  @ApiProperty({
    type: 'string',
    required: false,
    description: 'Nothing goes by it: a token says itself what it is.',
    example: 'refresh_token',
  })
  readonly token_type_hint?: string;

  @ApiProperty({
    ...CLIENT_ID,
    description:
      'Left out, a revocation comes from the client of the module, unless HTTP Basic names another one; an introspection ' +
      'from nobody.',
  })
  readonly client_id?: string;

  @ApiProperty(CLIENT_SECRET)
  readonly client_secret?: string;
}
