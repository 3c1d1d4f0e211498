import { ConfigurableModuleBuilder } from '@nestjs/common';
import type { ResourceServerOptions } from './core/resource-server-options.js';

export interface ResourceServerModuleExtras {
  /** guards are visible in every module; default true */
  isGlobal?: boolean;
}

export const IS_GLOBAL = Symbol('IsGlobal');

export const { ConfigurableModuleClass, MODULE_OPTIONS_TOKEN } =
  new ConfigurableModuleBuilder<ResourceServerOptions>({ moduleName: 'ResourceServer' })
    .setClassMethodName('forRoot')
    .setExtras<ResourceServerModuleExtras>({ isGlobal: true }, (definition, { isGlobal = true }) => ({
      ...definition,
      global: isGlobal,
      providers: [...(definition.providers ?? []), { provide: IS_GLOBAL, useValue: isGlobal }],
    }))
    .build();
