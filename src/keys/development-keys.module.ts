import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { DevelopmentKey } from './development-key.entity.js';
import { DevelopmentKeys } from './development-keys.service.js';

@Module({
  imports: [TypeOrmModule.forFeature([DevelopmentKey])],
  providers: [DevelopmentKeys],
  exports: [DevelopmentKeys],
})
export class DevelopmentKeysModule {}
