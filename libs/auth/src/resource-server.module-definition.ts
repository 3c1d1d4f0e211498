import { ConfigurableModuleBuilder } from '@nestjs/common';
import type { ResourceServerOptions } from './core/resource-server-options.js';

export interface ResourceServerModuleExtras {
  /** guards are visible in every module; default true */
  isGlobal?: boolean;
}

export const { ConfigurableModuleClass, MODULE_OPTIONS_TOKEN } =
  new ConfigurableModuleBuilder<ResourceServerOptions>({ moduleName: 'ResourceServer' })
    .setClassMethodName('forRoot')
    .setExtras<ResourceServerModuleExtras>({ isGlobal: true }, (definition, { isGlobal = true }) => ({
      ...definition,
      global: isGlobal,
    }))
    .build();
