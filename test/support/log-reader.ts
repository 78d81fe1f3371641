/** A reader of a running stack's log who believes nothing: gRPC, HTTP, and the log key from the evidence. */
import { readFileSync } from 'node:fs';
import { Metadata, credentials, type ServiceError } from '@grpc/grpc-js';
import { fromHex, utf8 } from '../../enclave/wire/bytes.ts';
import {
  parseSignedJson,
  type SignedJson,
  type SignedJsonObject,
} from '../../enclave/wire/signed-json.ts';
import type { Checkpoint } from '../../enclave/wire/tlog-note.ts';
import { parseEntryBundle, encodeTilePath, tileWidth } from '../../enclave/wire/tlog-tiles.ts';
import {
  LogServiceClient,
  type GetConsistencyProofResponse,
  type GetInclusionProofResponse,
} from '../../src/gen/sealwright/v1/log.ts';
import { leafHash, verifyConsistency, verifyInclusion } from '../../src/tlog/merkle.ts';
import { TileReader } from '../../src/tlog/tile-reader.ts';
import { verifyCheckpoint, type KnownLog } from '../../src/tlog/verify-checkpoint.ts';
import { explain } from './host-harness.ts';
import type { Ready, Stack } from './stack.ts';

/** A service that can be read: a whole stack, or parts of one. */
export interface Readable {
  readonly ready: Pick<Ready, 'address' | 'http' | 'ca' | 'cert' | 'key'>;
  client(): ReturnType<Stack['client']>;
}

type Callback<T> = (error: ServiceError | null, answer: T) => void;

/** Reason and fields of a refusal, as one line. */
export class ReadRefused extends Error {
  override readonly name = 'ReadRefused';
  readonly reason: string;
  constructor(error: ServiceError) {
    const { reason } = explain(error);
    super(`${reason} (status ${String(error.code)})`);
    this.reason = reason;
  }
}

function answered<T>(call: (callback: Callback<T>) => unknown): Promise<T> {
  return new Promise((resolve, reject) => {
    call((error, answer) => {
      if (error === null) resolve(answer);
      else reject(new ReadRefused(error));
    });
  });
}

function member(object: SignedJson, name: string): string {
  const value = (object as SignedJsonObject)[name];
  if (typeof value !== 'string') throw new TypeError(`no ${name}`);
  return value;
}

/** The log that the evidence of the enclave vouches for. */
export async function knownLog(stack: Readable): Promise<KnownLog> {
  const client = stack.client();
  try {
    const bundle = parseSignedJson(await client.getEvidence(new Uint8Array(0)));
    const claims = parseSignedJson(utf8(member(bundle, 'claims')));
    return { origin: member(claims, 'logOrigin'), publicKey: fromHex(member(claims, 'logKey')) };
  } finally {
    client.close();
  }
}

export class LogReader {
  readonly #client: LogServiceClient;
  readonly #http: string;
  readonly #log: KnownLog;

  constructor(stack: Readable, log: KnownLog, certificate = true) {
    const { address, ca, cert, key, http } = stack.ready;
    const [root, own, secret] = [ca, cert, key].map((path) => readFileSync(path)) as [
      Buffer,
      Buffer,
      Buffer,
    ];
    this.#client = new LogServiceClient(
      address,
      certificate ? credentials.createSsl(root, secret, own) : credentials.createSsl(root),
      {
        'grpc.use_local_subchannel_pool': 1,
        'grpc.initial_reconnect_backoff_ms': 50,
        'grpc.max_reconnect_backoff_ms': 200,
      },
    );
    this.#http = http;
    this.#log = log;
  }

  close(): void {
    this.#client.close();
  }

  /** Rejects unless the log key signed it. */
  async verified(note: string): Promise<Checkpoint> {
    const { checkpoint, checks } = await verifyCheckpoint(note, this.#log);
    const bad = checks.filter(({ verdict }) => verdict !== 'affirming');
    if (bad.length > 0) throw new Error(`checkpoint: ${bad.map(({ id }) => id).join()}`);
    return checkpoint;
  }

  async checkpoint(): Promise<Checkpoint> {
    const answer = await answered<{ checkpoint: string }>((callback) =>
      this.#client.getCheckpoint({}, new Metadata(), deadline(), callback),
    );
    return this.verified(answer.checkpoint);
  }

  async entries(first: number, count: number): Promise<readonly Uint8Array[]> {
    const request = { first: BigInt(first), count };
    const answer = await answered<{ leaves: readonly Uint8Array[] }>((callback) =>
      this.#client.getEntries(request, new Metadata(), deadline(), callback),
    );
    return answer.leaves;
  }

  inclusion(index: number, size: number): Promise<GetInclusionProofResponse> {
    const request = { index: BigInt(index), treeSize: BigInt(size) };
    return answered((callback) =>
      this.#client.getInclusionProof(request, new Metadata(), deadline(), callback),
    );
  }

  consistency(oldSize: number, newSize: number): Promise<GetConsistencyProofResponse> {
    const request = { oldSize: BigInt(oldSize), newSize: BigInt(newSize) };
    return answered((callback) =>
      this.#client.getConsistencyProof(request, new Metadata(), deadline(), callback),
    );
  }

  /** Rejects unless the leaf is in the tree of the checkpoint. */
  async requireIncluded(leaf: Uint8Array, index: number, head: Checkpoint): Promise<void> {
    const answer = await this.inclusion(index, head.size);
    if (Buffer.compare(answer.leaf, leaf) !== 0) throw new Error(`another leaf ${String(index)}`);
    const { proof } = answer;
    const inclusion = { leafHash: await leafHash(leaf), index, size: head.size, proof };
    if (!(await verifyInclusion(inclusion, head.rootHash))) {
      throw new Error(`leaf ${String(index)} is not in the tree of ${String(head.size)}`);
    }
  }

  /** Rejects unless the newer tree continues the older one. */
  async requireConsistent(older: Checkpoint, newer: Checkpoint): Promise<void> {
    const { proof } = await this.consistency(older.size, newer.size);
    if (!(await verifyConsistency(older, newer, proof))) {
      throw new Error(`${String(newer.size)} does not continue ${String(older.size)}`);
    }
  }

  fetch(path: string): Promise<Response> {
    return fetch(`http://${this.#http}${path}`);
  }

  async #bytes(path: string): Promise<Uint8Array> {
    const answer = await this.fetch(path);
    if (answer.status !== 200) throw new Error(`${path}: ${String(answer.status)}`);
    return new Uint8Array(await answer.arrayBuffer());
  }

  /** The head over HTTP. */
  async httpCheckpoint(): Promise<Checkpoint> {
    return this.verified(new TextDecoder().decode(await this.#bytes('/checkpoint')));
  }

  /** Proofs from the tiles over HTTP. */
  tree(size: number): TileReader {
    return new TileReader(size, (level, index, width) =>
      this.#bytes(`/${encodeTilePath({ level, index, width })}`),
    );
  }

  /** One leaf from its bundle over HTTP. */
  async httpLeaf(index: number, size: number): Promise<Uint8Array> {
    const bundle = Math.floor(index / 256);
    const width = tileWidth(0, bundle, size);
    const path = encodeTilePath({ level: 'entries', index: bundle, width });
    const leaf = parseEntryBundle(await this.#bytes(`/${path}`), width)[index % 256];
    if (leaf === undefined) throw new Error('no such leaf');
    return leaf;
  }
}

function deadline(): { readonly deadline: number } {
  return { deadline: Date.now() + 10_000 };
}
