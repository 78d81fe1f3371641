/** A cluster whose state is open: what genesis makes and boot finds. */
import type { Token } from '../ports.ts';
import { concatBytes } from '../wire/bytes.ts';
import { policyDigestInput } from '../wire/layouts.ts';
import { sha256 } from './kdf.ts';
import type { ClusterLog } from './cluster-log.ts';
import type { InForce } from './in-force.ts';
import type { SealedState } from './state.ts';

export interface Cluster {
  readonly state: SealedState;
  readonly token: Token;
  readonly inForce: InForce;
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

/** What the cluster id is made of, kept for ever: it travels in every evidence bundle. */
export interface GenesisRecord {
  readonly clusterNonce: Uint8Array;
  readonly manifest: Uint8Array;
}

const CLUSTER_NONCE_BYTES = 32;

/** clusterNonce[32] ‖ manifest. */
export function encodeGenesisRecord(record: GenesisRecord): Uint8Array {
  return concatBytes(record.clusterNonce, record.manifest);
}

/** Throws RangeError. */
export function parseGenesisRecord(bytes: Uint8Array): GenesisRecord {
  if (bytes.byteLength <= CLUSTER_NONCE_BYTES) throw new RangeError('genesis record too short');
  return {
    clusterNonce: bytes.slice(0, CLUSTER_NONCE_BYTES),
    manifest: bytes.slice(CLUSTER_NONCE_BYTES),
  };
}

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
