/**
 * Keeps what processes and services said to this one, without taking it away from whoever reads it: output of every
 * process that is started, and every answer, message and trailer of gRPC.
 */
import childProcess, { type ChildProcess, type SpawnSyncReturns } from 'node:child_process';
import { appendFileSync } from 'node:fs';
import type { Readable } from 'node:stream';
import { Client, type ServiceError } from '@grpc/grpc-js';
import { exchange } from './exchange.ts';

/** Appends everything to `file`, once and for as long as this process lives. */
export function recordTo(file: string): void {
  const keep = (said: unknown): void => {
    if (typeof said === 'string' || said instanceof Uint8Array) appendFileSync(file, said);
  };
  exchange(childProcess, 'spawn', (real) => {
    const spawn = (...args: Parameters<typeof real>): ChildProcess => {
      const child = real(...args);
      for (const stream of [child.stdout, child.stderr]) {
        if (stream !== null) listenIn(stream, keep);
      }
      return child;
    };
    return spawn as typeof real;
  });
  exchange(childProcess, 'spawnSync', (real) => {
    const spawnSync = (...args: Parameters<typeof real>): SpawnSyncReturns<string | Buffer> => {
      const ended = real(...args);
      // Null for a program that was not found, and for what went elsewhere.
      for (const output of (ended.output as unknown[] | null) ?? []) keep(output);
      return ended;
    };
    return spawnSync as typeof real;
  });
  recordCalls(keep);
}

/** A listener would make the stream flow before its reader is there; everything it gets passes through push. */
function listenIn(stream: Readable, keep: (chunk: unknown) => void): void {
  const push = stream.push.bind(stream);
  stream.push = (chunk: unknown, encoding?: BufferEncoding) => {
    keep(chunk);
    return push(chunk, encoding);
  };
}

type Done = (error: ServiceError | null, value?: unknown) => void;
type Deserialize = (bytes: Buffer) => unknown;

function recordCalls(keep: (said: unknown) => void): void {
  exchange(Client.prototype, 'makeUnaryRequest', (real) => {
    function makeUnaryRequest(this: Client, ...args: unknown[]): unknown {
      const deserialize = args[2] as Deserialize;
      args[2] = (bytes: Buffer): unknown => {
        keep(bytes);
        return deserialize(bytes);
      };
      const done = args.pop() as Done;
      const recording: Done = (error, value) => {
        if (error !== null) keepError(error, keep);
        done(error, value);
      };
      return (real as (...all: unknown[]) => unknown).call(this, ...args, recording);
    }
    return makeUnaryRequest as typeof real;
  });
}

function keepError(
  { message, details, stack, metadata }: ServiceError,
  keep: (said: unknown) => void,
): void {
  for (const text of [message, details, stack]) keep(text);
  for (const values of Object.values(metadata.toJSON())) values.forEach(keep);
}
