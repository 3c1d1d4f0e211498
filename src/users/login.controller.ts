import { BadRequestException, Body, Controller, Headers, Post } from '@nestjs/common';
import { Public, TokenResponse, TokenService, type TokenPair } from 'nestjs-token-family';
import { UsersService } from './users.service.js';

const MAX_LENGTH = 256;
/** What every user of the demo may do, here and in the second application. */
const SCOPE = 'reports:read';

@Public()
@Controller('auth')
export class LoginController {
  constructor(
    private readonly users: UsersService,
    private readonly tokens: TokenService,
  ) {}

  @Post('login')
  @TokenResponse()
  async login(@Body() body: unknown, @Headers('user-agent') userAgent?: string): Promise<TokenPair> {
    const { username, password } = readCredentials(body);
    const user = await this.users.authenticate(username, password);
    if (!user) throw new BadRequestException({ error: 'invalid_credentials' });
    return this.tokens.issue(user.id, {
      scope: SCOPE,
      device: { user_agent: userAgent?.slice(0, MAX_LENGTH) ?? null },
    });
  }
}

function readCredentials(body: unknown): { username: string; password: string } {
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
