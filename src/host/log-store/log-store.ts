/**
 * The host's copy of the log as the enclave uses it: answers its `log/…` calls. It decides nothing: the enclave
 * checks what it reads back, and readers verify every proof. A copy that is damaged says so to both, and the host
 * runs on, so that status can tell why the enclave halted.
 */
import { join } from 'node:path';
import { Refusal, type Reason } from '../../../enclave/wire/error-code.ts';
import { decodeMessage, type MessageDecoder } from '../../../enclave/wire/decode-message.ts';
import {
  LogAppendRequest,
  LogAppendResponse,
  LogCheckpointRequest,
  LogCheckpointResponse,
  LogReadRequest,
  LogReadResponse,
  LogStateResponse,
} from '../../../enclave/wire/gen/sealwright/enclave/v1/log_store.ts';
import { MAX_RESPONSE_BYTES } from '../../../enclave/wire/limits.ts';
import type { IncomingCall } from '../../../enclave/wire/link.ts';
import { LOG_METHODS } from '../../../enclave/wire/methods.ts';
import { MAX_LEAF_BYTES } from '../../../enclave/wire/tlog.ts';
import type { Log } from '../log.ts';
import { lockFile, type FolderLock } from './folder-lock.ts';
import { LogConflict, LogCopy } from './log-copy.ts';
import { LogDamaged, type Damage } from './log-damage.ts';
import { LogDiskFailed, LogDiskFull, codeOf, diskLogFiles, type LogFiles } from './log-files.ts';
import { openLog } from './open-log.ts';
import { ServedCheckpoint } from './served-checkpoint.ts';

const MAX_READ_LEAVES = 4096;
/** What a leaf costs in an answer besides its bytes, and the rest of a frame. */
const LEAF_OVERHEAD_BYTES = 8;
const READ_BYTES = MAX_RESPONSE_BYTES - 64 * 1024 - MAX_READ_LEAVES * LEAF_OVERHEAD_BYTES;
/** Places that are remembered as damaged, so that each is told once. */
const MAX_TOLD = 1000;

export interface LogStoreOptions {
  readonly log: Log;
  readonly segmentBytes?: number;
}

/** What an open store has; a store that could not be opened has the reason instead. */
type Contents =
  { readonly copy: LogCopy; readonly checkpoint: ServedCheckpoint } | { readonly trouble: Error };

export class LogStore {
  readonly #log: Log;
  readonly #told = new Set<string>();
  #contents: Contents = { trouble: new LogDiskFailed(undefined) };
  #lock: FolderLock | undefined;

  private constructor(log: Log) {
    this.#log = log;
  }

  /** Opens or makes the folder. Rejects with LogFolderInUse, or when the folder can't be reached. */
  static async open(folder: string, options: LogStoreOptions): Promise<LogStore> {
    const files = diskLogFiles(folder);
    if (await files.makeFolder('.')) await files.syncFolder('..');
    const lock = lockFile(join(folder, 'lock'));
    const store = await LogStore.over(files, options);
    store.#lock = lock;
    return store;
  }

  /** Over files that nobody else has. */
  static async over(files: LogFiles, { log, segmentBytes }: LogStoreOptions): Promise<LogStore> {
    const store = new LogStore(log);
    try {
      const parts = await openLog(files, segmentBytes);
      const copy = new LogCopy(parts, (error) => {
        store.#tell(error);
      });
      const checkpoint = new ServedCheckpoint(files, copy);
      await checkpoint.recall();
      store.#contents = { copy, checkpoint };
      log({ event: 'log.opened', leaves: copy.size });
    } catch (error) {
      store.#contents = { trouble: store.#troubleOf(error) };
    }
    return store;
  }

  /** For readers. Throws LogDamaged or LogDiskFailed when there is nothing to read from. */
  get copy(): LogCopy {
    return this.#opened().copy;
  }

  get checkpoint(): ServedCheckpoint {
    return this.#opened().checkpoint;
  }

  /** For metrics; undefined for a store that could not be opened. */
  get gauges(): { leaves: number; pendingLeaves: number; journalBytes: number } | undefined {
    if ('trouble' in this.#contents) return undefined;
    const { size, pendingLeaves, journalBytes } = this.#contents.copy;
    return { leaves: size, pendingLeaves, journalBytes };
  }

  /** Tells the operator of damage that a reader met. */
  report(damage: Damage): void {
    if (this.#told.has(damage.where) || this.#told.size >= MAX_TOLD) return;
    this.#told.add(damage.where);
    this.#log({ event: 'log.damaged', ...damage });
  }

  /** Answers a call of the enclave. Throws or rejects with Refusal. */
  async handle(call: IncomingCall): Promise<Uint8Array> {
    try {
      return await this.#handle(call);
    } catch (error) {
      throw error instanceof Refusal ? error : this.#refusalOf(error);
    }
  }

  async close(): Promise<void> {
    if (!('trouble' in this.#contents)) {
      const { copy, checkpoint } = this.#contents;
      await copy.close();
      await checkpoint.close();
    }
    this.#lock?.release();
  }

  #opened(): Exclude<Contents, { readonly trouble: Error }> {
    if ('trouble' in this.#contents) throw this.#contents.trouble;
    return this.#contents;
  }

  async #handle(call: IncomingCall): Promise<Uint8Array> {
    const { copy, checkpoint } = this.#opened();
    switch (call.method) {
      case LOG_METHODS.append: {
        // The leaves outlive the frame.
        const payload = Uint8Array.from(call.body);
        const request = decoded((input) => LogAppendRequest.decode(input), payload);
        const { leaves } = request;
        if (leaves.length === 0 || leaves.some(({ byteLength }) => byteLength > MAX_LEAF_BYTES)) {
          throw new Refusal('REQUEST_MALFORMED', { field: 'leaves' });
        }
        await copy.append(payload, request);
        return LogAppendResponse.encode({}).finish();
      }
      case LOG_METHODS.state: {
        const { size, sealedEdge } = copy;
        return LogStateResponse.encode({ size: BigInt(size), sealedEdge }).finish();
      }
      case LOG_METHODS.read: {
        const { firstIndex, count } = decoded((input) => LogReadRequest.decode(input), call.body);
        const limit = Math.min(count, MAX_READ_LEAVES);
        const leaves = await copy.leaves(Number(firstIndex), limit, READ_BYTES);
        return LogReadResponse.encode({ leaves }).finish();
      }
      case LOG_METHODS.checkpoint: {
        const request = decoded((input) => LogCheckpointRequest.decode(input), call.body);
        if (!checkpoint.take(request.checkpoint)) throw new Refusal('REQUEST_MALFORMED');
        return LogCheckpointResponse.encode({}).finish();
      }
      default:
        throw new Refusal('METHOD_UNKNOWN');
    }
  }

  /** What the enclave is told: it halts by the name that each of these has there. */
  #refusalOf(error: unknown): unknown {
    if (error instanceof LogDamaged) this.report(error.damage);
    const reason = reasonFor(error);
    return reason === undefined ? error : new Refusal(reason);
  }

  #tell(error: unknown): void {
    if (error instanceof LogDamaged) this.report(error.damage);
    else this.#log({ event: 'log.failed', code: codeOf(error) });
  }

  /** Why the store stays closed while the host runs. Throws what an operator must change before it can start. */
  #troubleOf(error: unknown): Error {
    if (error instanceof LogDamaged || error instanceof LogDiskFailed) {
      this.#tell(error);
      return error;
    }
    if (codeOf(error) !== 'EIO') throw error;
    this.#tell(error);
    return new LogDiskFailed(error);
  }
}

function reasonFor(error: unknown): Reason | undefined {
  if (error instanceof LogDiskFull) return 'LOG_STORE_FULL';
  if (error instanceof LogDiskFailed) return 'LOG_STORE_FAILED';
  if (error instanceof LogConflict || error instanceof LogDamaged) return 'LOG_STORE_CONFLICT';
  // Reading from a disk that fails.
  return codeOf(error) === 'UNKNOWN' ? undefined : 'LOG_STORE_FAILED';
}

function decoded<T>(decode: MessageDecoder<T>, body: Uint8Array): T {
  try {
    return decodeMessage(decode, body);
  } catch {
    throw new Refusal('REQUEST_MALFORMED');
  }
}
