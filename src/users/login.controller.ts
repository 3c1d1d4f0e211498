import { BadRequestException, Body, Controller, Headers, Post, UseGuards } from '@nestjs/common';
import { ApiBadRequestResponse, ApiBody, ApiHeader, ApiOperation, ApiTags } from '@nestjs/swagger';
import {
  ClientGuard,
  CurrentClient,
  Public,
  TokenResponse,
  TokenService,
  type Client,
  type TokenPair,
} from 'nestjs-token-family';
import { ApiClient, ApiTokenResponse } from 'nestjs-token-family/openapi';
import { Credentials } from './credentials.js';
import { UsersService } from './users.service.js';

const MAX_LENGTH = 256;
/** What every user of the demo may do, here and in the second application. */
const SCOPE = 'reports:read';

@ApiTags('Demo')
@Public()
@Controller('auth')
export class LoginController {
  constructor(
    private readonly users: UsersService,
    private readonly tokens: TokenService,
  ) {}

  /** The tokens are the client's that the user logs in with: it names itself as at the endpoints of RFC 6749. */
  @Post('login')
  @UseGuards(ClientGuard)
  @TokenResponse()
  @ApiOperation({ summary: 'Logs in with a name and a password' })
  @ApiTokenResponse()
  @ApiClient()
  @ApiBody({ type: Credentials })
  @ApiHeader({ name: 'user-agent', required: false })
  @ApiBadRequestResponse({
    description: '`invalid_credentials`, whichever of the two is wrong',
    examples: { wrong_password: { summary: 'wrong password', value: { error: 'invalid_credentials' } } },
  })
  async login(
    @CurrentClient() client: Client,
    @Body() body: unknown,
    @Headers('user-agent') userAgent?: string,
  ): Promise<TokenPair> {
    const { username, password } = readCredentials(body);
    const id = await this.users.authenticate(username, password);
    if (id === null) throw new BadRequestException({ error: 'invalid_credentials' });
    return this.tokens.issue(id, {
      clientId: client.id,
      scope: SCOPE,
      device: { user_agent: userAgent?.slice(0, MAX_LENGTH) ?? null },
    });
  }
}

function readCredentials(body: unknown): Credentials {
  const { username, password } = (body ?? {}) as Record<string, unknown>;
  if (!isText(username) || !isText(password)) {
    throw new BadRequestException({
      error: 'invalid_request',
      error_description: 'username and password are required',
    });
  }
  return { username, password };
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value.length > 0 && value.length <= MAX_LENGTH && !value.includes('\0');
}
