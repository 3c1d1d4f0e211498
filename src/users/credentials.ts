import { ApiProperty } from '@nestjs/swagger';

/** What a user logs in with. */
export class Credentials {
  @ApiProperty({ type: 'string', maxLength: 256, example: 'alice' })
  readonly username!: string;

  @ApiProperty({ type: 'string', maxLength: 256, format: 'password', example: 'wonderland' })
  readonly password!: string;
}
