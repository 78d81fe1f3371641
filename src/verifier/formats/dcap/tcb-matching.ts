/**
 * Which level of Intel's documents a platform, a TDX module and a quoting enclave are of (Intel PCS API v4, "Get
 * TDX TCB Info", "Get TD QE Identity", the steps of "TCB level comparison").
 */
import { toHex } from '../../../../enclave/wire/bytes.ts';
import type { PckPlatform } from './pck-certificate.ts';
import type { TdReport } from './reports.ts';
import type { SvnLevel, TcbInfo, TcbLevel, VersionedModuleIdentity } from './tcb-info.ts';

/** Every component of the one must be at least that of the other; lists of other lengths never suffice. */
function suffices(found: ArrayLike<number>, wanted: ArrayLike<number>, from = 0): boolean {
  if (found.length !== wanted.length) return false;
  for (let i = from; i < wanted.length; i += 1) {
    if (!((found[i] ?? -1) >= (wanted[i] ?? Infinity))) return false;
  }
  return true;
}

/** The first level, in Intel's order, that the platform reaches; undefined when it reaches none. */
export function matchPlatformLevel(
  info: TcbInfo,
  platform: PckPlatform,
  report: TdReport | undefined,
): TcbLevel | undefined {
  return info.levels.find(
    (level) =>
      suffices(platform.components, level.sgx) &&
      platform.pceSvn >= level.pceSvn &&
      (report === undefined || sufficesTdx(report.teeTcbSvn, level.tdx)),
  );
}

/** Indexes 0 and 1 are SVN and version of the module, and from version 1 on the module has levels of its own. */
function sufficesTdx(teeTcbSvn: Uint8Array, wanted: readonly number[] | undefined): boolean {
  if (wanted === undefined) return false;
  return suffices(teeTcbSvn, wanted, moduleVersion(teeTcbSvn) > 0 ? 2 : 0);
}

function moduleVersion(teeTcbSvn: Uint8Array): number {
  return teeTcbSvn[1] ?? 0;
}

/** `TDX_01`; undefined for version 0, which is judged with the platform. */
export function moduleIdentityId(teeTcbSvn: Uint8Array): string | undefined {
  const version = moduleVersion(teeTcbSvn);
  return version === 0 ? undefined : `TDX_${toHex(Uint8Array.of(version)).toUpperCase()}`;
}

export function matchModuleLevel(
  identity: VersionedModuleIdentity,
  teeTcbSvn: Uint8Array,
): SvnLevel | undefined {
  return matchSvnLevel(identity.levels, teeTcbSvn[0] ?? 0);
}

export function matchSvnLevel(levels: readonly SvnLevel[], isvSvn: number): SvnLevel | undefined {
  return levels.find((level) => isvSvn >= level.isvSvn);
}

/** `(found AND mask) = wanted`, of equal lengths. */
export function equalMasked(found: Uint8Array, wanted: Uint8Array, mask: Uint8Array): boolean {
  if (found.byteLength !== wanted.byteLength || found.byteLength !== mask.byteLength) return false;
  return found.every((byte, i) => (byte & (mask[i] ?? 0)) === (wanted[i] ?? 0));
}
