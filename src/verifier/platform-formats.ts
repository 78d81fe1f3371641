/** Every platform format that can be verified by itself. */
import type { PlatformFormat } from './platform-format.ts';

export const PLATFORM_FORMATS: readonly PlatformFormat[] = [];
