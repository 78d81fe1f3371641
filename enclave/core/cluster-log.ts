/**
 * The cluster's log between sealed state and host's copy (docs/spec/log.md): opened at genesis and boot,
 * checked against the sealed edge and the index, and its head written into the index.
 */
import type { KeyObject } from 'node:crypto';
import { CheckpointSigner } from '../log/checkpoint.ts';
import { encodeLeaf, type Leaf } from '../log/leaf.ts';
import { Log, type Committed, type CommittedTogether } from '../log/log.ts';
import {
  Batch,
  EMPTY_EDGE,
  encodeEdge,
  leafHash,
  parseEdge,
  rootOf,
  type Edge,
} from '../log/tree.ts';
import type { TokenObject } from '../ports.ts';
import { equalBytes, toHex } from '../wire/bytes.ts';
import { completeSubtrees } from '../wire/tlog.ts';
import type { Ports } from '../ports.ts';
import { sha256 } from './kdf.ts';
import type { OpenKey } from './key-ring.ts';
import { Halt } from './lifecycle.ts';
import { claimedVersion, SealError, unseal } from './sealing.ts';
import { parsedRecord, type IndexFields, type SealedState } from './state.ts';
import type { StateIndex } from './state-index.ts';

const EDGE_TYPE = 'log-edge';
const READ_LEAVES = 4096;

/** What the cluster writes with: leaves carry the instance and the enclave's time. */
export class ClusterLog {
  readonly #log: Log;
  readonly #ports: Ports;
  readonly #instanceId: Uint8Array;

  constructor(ports: Ports, instanceId: Uint8Array, log: Log) {
    this.#ports = ports;
    this.#instanceId = instanceId;
    this.#log = log;
  }

  /** Resolves when the leaf is durable and covered by a signed checkpoint. Throws or rejects with `LOG_UNAVAILABLE`. */
  append(leaf: Leaf): Promise<Committed> {
    return this.#log.append(this.#encode(leaf));
  }

  /** The same for leaves that share their append and their checkpoint. */
  appendTogether(leaves: readonly Leaf[]): Promise<CommittedTogether> {
    return this.#log.appendTogether(leaves.map((leaf) => this.#encode(leaf)));
  }

  /** Leaves of a state change: waits for as long as the host needs. */
  async appendPatiently(leaves: readonly Leaf[]): Promise<void> {
    await Promise.all(leaves.map((leaf) => this.#log.append(this.#encode(leaf), true)));
  }

  /** The enclave halted: see Log. */
  stop(): void {
    this.#log.stop();
  }

  #encode(leaf: Leaf): Uint8Array {
    return encodeLeaf(leaf, {
      timeMs: this.#ports.clock.wallMs(),
      instanceId: this.#instanceId,
    });
  }

  get checkpoint(): string {
    return this.#log.checkpoint;
  }

  get size(): number {
    return this.#log.edge.size;
  }

  /** The durable head, as the index names it. */
  head(): Pick<IndexFields, 'logSize' | 'logRoot' | 'logEdge'> {
    const { edge } = this.#log;
    return { logSize: edge.size, logRoot: rootOf(edge), logEdge: edge.hashes };
  }
}

/** Origin of the cluster's checkpoints (C2SP tlog-checkpoint). A simulated log can't pose as a real one. */
export function logOrigin(simulated: boolean, clusterId: Uint8Array): string {
  return `${simulated ? 'simulated/' : ''}sealwright/${toHex(clusterId.subarray(0, 16))}`;
}

export interface LogIdentity {
  readonly origin: string;
  readonly privateKey: KeyObject;
  /** 32 bytes. */
  readonly publicKey: Uint8Array;
}

/** Called when an append can't go on: the enclave halts. */
export type OnLogFailure = (error: unknown) => void;

/** A log that goes on from `edge`. */
export function openLog(
  ports: Ports,
  state: SealedState,
  identity: LogIdentity,
  edge: Edge,
  onFailure: OnLogFailure,
): Log {
  const seal = state.sealer(EDGE_TYPE);
  return new Log({
    store: ports.logStore,
    signer: new CheckpointSigner(identity.origin, identity.privateKey, identity.publicKey),
    edge,
    sealEdge: (grown) => seal(BigInt(grown.size) + 1n, encodeEdge(grown)),
    onFailure,
  });
}

/**
 * The edge to go on from: the sealed one, once the leaves between the index's head and it were read back and
 * give it again. Throws Halt.
 */
export async function checkedEdge(
  ports: Ports,
  state: SealedState,
  index: StateIndex,
): Promise<Edge> {
  const indexed: Edge = { size: index.logSize, hashes: index.logEdge };
  const complete = completeSubtrees(0, indexed.size).length === indexed.hashes.length;
  if (!complete || !equalBytes(rootOf(indexed), index.logRoot)) {
    throw new Halt('STATE_DAMAGED', { record: 'index', what: 'log edge' });
  }
  const found = await ports.logStore.state();
  const sealed = openEdge(state, found.sealedEdge);
  if (sealed.size < indexed.size || found.size < indexed.size) {
    throw new Halt('ROLLBACK_DETECTED', {
      log: String(Math.min(sealed.size, found.size)),
      index: String(indexed.size),
    });
  }
  let edge = indexed;
  while (edge.size < sealed.size) {
    const leaves = await ports.logStore.read(
      edge.size,
      Math.min(READ_LEAVES, sealed.size - edge.size),
    );
    if (leaves.length === 0 || edge.size + leaves.length > sealed.size) throw damaged(edge.size);
    edge = new Batch(edge, leaves.map(leafHash)).edge;
  }
  if (!equalBytes(rootOf(edge), rootOf(sealed))) throw damaged(indexed.size);
  return sealed;
}

function damaged(leaf: number): Halt {
  return new Halt('LOG_DAMAGED', { leaf: String(leaf) });
}

function openEdge(state: SealedState, sealed: Uint8Array): Edge {
  if (sealed.byteLength === 0) return EMPTY_EDGE;
  const version = claimedVersion(sealed) ?? 0n;
  let plaintext: Uint8Array;
  try {
    const name = { type: EDGE_TYPE, id: '', version };
    plaintext = unseal(state.keyOf(EDGE_TYPE), state.clusterId, name, sealed);
  } catch (error) {
    if (!(error instanceof SealError)) throw error;
    throw new Halt('LOG_DAMAGED', { record: EDGE_TYPE });
  }
  const edge = parsedRecord(EDGE_TYPE, () => parseEdge(plaintext));
  if (BigInt(edge.size) + 1n !== version) throw new Halt('LOG_DAMAGED', { record: EDGE_TYPE });
  return edge;
}

/** Leaf of a key's birth, with the attributes that were read back from its token object. */
export function birthLeaf(key: OpenKey, object: TokenObject, residency: string): Leaf {
  const { record } = key;
  const names = Object.keys(object.attributes).sort();
  return {
    kind: 'key-birth',
    ring: record.ring,
    version: record.version,
    kid: key.kid,
    alg: record.algorithm,
    residency,
    publicKeyHash: toHex(sha256(record.publicKey)),
    attributes: {
      true: names.filter((name) => object.attributes[name] === true),
      false: names.filter((name) => object.attributes[name] === false),
    },
  };
}

export function bootLeaf(ports: Ports, bootEpoch: bigint, policyVersion: number): Leaf {
  const { measurements, svn } = ports.attester.identity;
  const [mr0, mr1, mr2] = measurements;
  return {
    kind: 'boot',
    bootEpoch: Number(bootEpoch),
    mr0: toHex(mr0),
    mr1: toHex(mr1),
    mr2: toHex(mr2),
    svn,
    policyVersion,
  };
}
