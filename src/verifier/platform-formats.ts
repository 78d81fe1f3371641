/** Every platform format that can be verified by itself. */
import { nitroFormat } from './formats/nitro/nitro.ts';
import { sevSnpFormat } from './formats/sev-snp/format.ts';
import { sgxFormat } from './formats/sgx.ts';
import { tdxFormat } from './formats/tdx.ts';
import type { PlatformFormat } from './platform-format.ts';

export const PLATFORM_FORMATS: readonly PlatformFormat[] = [
  nitroFormat,
  sevSnpFormat,
  tdxFormat,
  sgxFormat,
];
