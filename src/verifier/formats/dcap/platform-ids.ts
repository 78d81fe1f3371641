import { toHex } from '../../../../enclave/wire/bytes.ts';
import type { PckPlatform } from './pck-certificate.ts';

/** For allow-lists: one machine by `ppid:` or `instance:`, all of one model and SKU by `fmspc:`. */
export function platformIdsOf(platform: PckPlatform | undefined): readonly string[] {
  if (platform === undefined) return [];
  const { ppid, fmspc, platformInstanceId } = platform;
  return [
    `ppid:${toHex(ppid)}`,
    ...(platformInstanceId === undefined ? [] : [`instance:${toHex(platformInstanceId)}`]),
    `fmspc:${toHex(fmspc)}`,
  ];
}
