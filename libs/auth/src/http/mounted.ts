import { Controller, type Type } from '@nestjs/common';

/** `controller` under the path the application has chosen for it; the class itself stays as it is. */
export function mounted(controller: Type, path: string): Type {
  const Mounted = class extends controller {};
  Object.defineProperty(Mounted, 'name', { value: controller.name });
  Controller(path)(Mounted);
  return Mounted;
}
