/** Exchanges a function of one of Node's modules for everybody who imports it, however they do. */
import { syncBuiltinESMExports } from 'node:module';

export function exchange<Module extends object, Name extends keyof Module>(
  module: Module,
  name: Name,
  make: (real: Module[Name]) => Module[Name],
): void {
  module[name] = make(module[name]);
  syncBuiltinESMExports();
}
