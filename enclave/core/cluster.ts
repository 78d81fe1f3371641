/** A cluster whose state is open: what genesis makes and boot finds. */
import type { Token } from '../ports.ts';
import { fromHex, toHex, utf8 } from '../wire/bytes.ts';
import { ObjectReader } from '../wire/closed-schema.ts';
import { policyDigestInput } from '../wire/layouts.ts';
import { MAX_APPROVALS } from '../wire/limits.ts';
import { parseSignedJson, type SignedJsonObject } from '../wire/signed-json.ts';
import { sha256 } from './kdf.ts';
import type { ClusterLog } from './cluster-log.ts';
import type { EnclaveTime } from './enclave-time.ts';
import type { InForce } from './in-force.ts';
import type { SealedState } from './state.ts';

export interface Cluster {
  readonly state: SealedState;
  readonly token: Token;
  readonly time: EnclaveTime;
  /** Exchanged as a whole when admins change it; who awaits something keeps what decided. */
  inForce: InForce;
  /** 16 bytes, drawn at this boot. */
  readonly instanceId: Uint8Array;
  /** Epoch of the index that this boot wrote. */
  readonly bootEpoch: bigint;
  readonly genesis: GenesisRecord;
  readonly log: ClusterLog;
  /** Origin of the log's checkpoints. */
  readonly logOrigin: string;
  /** Public key of the log, Ed25519, 32 bytes. */
  readonly logKey: Uint8Array;
}

export const INSTANCE_ID_BYTES = 16;

/** SHA-256 over the policy's canonical bytes (docs/spec/policy.md). */
export function policyDigestOf(bytes: Uint8Array): Uint8Array {
  return sha256(policyDigestInput(bytes));
}

/** The genesis certificate: what the cluster id is made of and who approved it. It travels in every evidence bundle. */
export interface GenesisRecord {
  readonly clusterNonce: Uint8Array;
  readonly manifest: Uint8Array;
  /** What the approvals are signatures over (docs/spec/genesis.md). */
  readonly statement: Uint8Array;
  /** SSHSIG in its binary form. */
  readonly approvals: readonly Uint8Array[];
}

/** As bundles carry it (docs/spec/evidence.md). */
export function genesisCertificate(record: GenesisRecord): SignedJsonObject {
  const text = new TextDecoder();
  return {
    manifest: text.decode(record.manifest),
    clusterNonce: toHex(record.clusterNonce),
    statement: text.decode(record.statement),
    approvals: record.approvals.map(toHex),
  };
}

/** Throws SignedJsonError. */
export function parseGenesisRecord(bytes: Uint8Array): GenesisRecord {
  const reader = new ObjectReader(parseSignedJson(bytes));
  const record = {
    manifest: utf8(reader.string('manifest', TEXT)),
    clusterNonce: reader.hex('clusterNonce', 32),
    statement: utf8(reader.string('statement', TEXT)),
    approvals: reader.strings('approvals', HEX, MAX_APPROVALS).map(fromHex),
  };
  reader.end();
  return record;
}

const TEXT = /^[^]+$/;
const HEX = /^(?:[0-9a-f]{2})+$/;

/** Runs `task` over all items, at most `width` at once; the first failure rejects after the running ones ended. */
export async function inParallel<T, R>(
  items: readonly T[],
  width: number,
  task: (item: T) => Promise<R>,
): Promise<R[]> {
  const results: R[] = new Array<R>(items.length);
  const queue = items.entries();
  let failure: { readonly error: unknown } | undefined;
  const worker = async (): Promise<void> => {
    for (const [i, item] of queue) {
      try {
        results[i] = await task(item);
      } catch (error) {
        failure ??= { error };
      }
      if (failure !== undefined) return;
    }
  };
  await Promise.all(Array.from({ length: width }, worker));
  if (failure !== undefined) throw failure.error;
  return results;
}
