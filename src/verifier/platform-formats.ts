/** Every platform format that can be verified by itself. */
import { sevSnpFormat } from './formats/sev-snp/format.ts';
import type { PlatformFormat } from './platform-format.ts';

export const PLATFORM_FORMATS: readonly PlatformFormat[] = [sevSnpFormat];
