import { Controller, VERSION_NEUTRAL, type Type } from '@nestjs/common';

/**
 * `controller` under the path the application has chosen for it, whatever version its own routes have by default; the class
 * itself stays as it is.
 */
export function mounted(controller: Type, path: string): Type {
  const Mounted = class extends controller {};
  Object.defineProperty(Mounted, 'name', { value: controller.name });
  Controller({ path, version: VERSION_NEUTRAL })(Mounted);
  return Mounted;
}
