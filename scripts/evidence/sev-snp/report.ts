// ATTESTATION_REPORT of AMD's 56860 §7.3, written field by field; nothing here comes from src/verifier.
import { sign, type KeyObject } from 'node:crypto';

export const REPORT_BYTES = 1184;
export const SIGNED_BYTES = 0x2a0;

export type Product = 'Milan' | 'Genoa' | 'Turin';

/** Security patch levels by AMD's names. */
export interface Tcb {
  readonly fmc?: number;
  readonly bl: number;
  readonly tee: number;
  readonly snp: number;
  readonly ucode: number;
}

/** Turin moved everything but the microcode by one byte. */
export function tcbBytes(tcb: Tcb, product: Product): Uint8Array {
  return product === 'Turin'
    ? Uint8Array.of(tcb.fmc ?? 0, tcb.bl, tcb.tee, tcb.snp, 0, 0, 0, tcb.ucode)
    : Uint8Array.of(tcb.bl, tcb.tee, 0, 0, 0, 0, tcb.snp, tcb.ucode);
}

export const SIGNING_KEY = { VCEK: 0, VLEK: 1, none: 7 } as const;

/** What a report says; every member can be wrong on purpose. */
export interface ReportFields {
  readonly version: number;
  readonly guestSvn: number;
  readonly policy: bigint;
  readonly vmpl: number;
  readonly signatureAlgorithm: number;
  readonly platformInfo: bigint;
  /** author_key_en, mask_chip_key << 1, signing key << 2 */
  readonly keyFlags: number;
  readonly reportData: Uint8Array;
  readonly measurement: Uint8Array;
  readonly hostData: Uint8Array;
  readonly idKeyDigest: Uint8Array;
  readonly authorKeyDigest: Uint8Array;
  readonly reportIdMa: Uint8Array;
  readonly current: Uint8Array;
  readonly reported: Uint8Array;
  readonly committed: Uint8Array;
  readonly launch: Uint8Array;
  /** family, model, stepping */
  readonly cpu: readonly [number, number, number];
  readonly chipId: Uint8Array;
  /** build, minor, major */
  readonly currentVersion: readonly [number, number, number];
  readonly committedVersion: readonly [number, number, number];
}

/** The signed part. `cpu` is written from version 3 on. */
export function reportBody(fields: ReportFields): Uint8Array {
  const body = Buffer.alloc(SIGNED_BYTES);
  const put = (at: number, bytes: Uint8Array): void => {
    body.set(bytes, at);
  };
  body.writeUInt32LE(fields.version, 0x000);
  body.writeUInt32LE(fields.guestSvn, 0x004);
  body.writeBigUInt64LE(fields.policy, 0x008);
  body.writeUInt32LE(fields.vmpl, 0x030);
  body.writeUInt32LE(fields.signatureAlgorithm, 0x034);
  put(0x038, fields.current);
  body.writeBigUInt64LE(fields.platformInfo, 0x040);
  body.writeUInt32LE(fields.keyFlags, 0x048);
  put(0x050, fields.reportData);
  put(0x090, fields.measurement);
  put(0x0c0, fields.hostData);
  put(0x0e0, fields.idKeyDigest);
  put(0x110, fields.authorKeyDigest);
  put(0x160, fields.reportIdMa);
  put(0x180, fields.reported);
  if (fields.version >= 3) put(0x188, Uint8Array.from(fields.cpu));
  put(0x1a0, fields.chipId);
  put(0x1e0, fields.committed);
  put(0x1e8, Uint8Array.from(fields.currentVersion));
  put(0x1ec, Uint8Array.from(fields.committedVersion));
  put(0x1f0, fields.launch);
  return Uint8Array.from(body);
}

/** Body ‖ r ‖ s, the two numbers little-endian in 72 bytes each, zeros to the end (56860 ch. 10). */
export function signReport(body: Uint8Array, key: KeyObject): Uint8Array {
  const pair = sign('sha384', body, { key, dsaEncoding: 'ieee-p1363' });
  const report = new Uint8Array(REPORT_BYTES);
  report.set(body);
  report.set(pair.subarray(0, 48).reverse(), SIGNED_BYTES);
  report.set(pair.subarray(48).reverse(), SIGNED_BYTES + 72);
  return report;
}
