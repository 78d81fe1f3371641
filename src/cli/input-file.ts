/**
 * Files that commands read: `-` is stdin. Large ones go by in chunks. `option` is where the path was given, as typed:
 * `--in`, or the name of a positional.
 */
import { createReadStream, readFileSync } from 'node:fs';
import { usageError } from './cli-error.ts';
import type { CliError } from './cli-error.ts';

const STDIN = '-';

/** Hands every chunk to `take`, in order. Throws CliError (64) for a file that cannot be read. */
export async function readChunks(
  option: string,
  path: string,
  take: (chunk: Uint8Array) => void,
): Promise<void> {
  const stream = path === STDIN ? process.stdin : createReadStream(path);
  try {
    for await (const chunk of stream) take(chunk as Uint8Array);
  } catch (error) {
    throw isSystemError(error) ? unreadable(option, error) : error;
  }
}

/** The whole input, or undefined when it is longer than `maxBytes`; reads little more than that. */
export async function readAtMost(
  option: string,
  path: string,
  maxBytes: number,
): Promise<Uint8Array | undefined> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  const tooLong = new Error('longer than the limit');
  try {
    await readChunks(option, path, (chunk) => {
      length += chunk.byteLength;
      if (length > maxBytes) throw tooLong;
      chunks.push(chunk);
    });
  } catch (error) {
    if (error === tooLong) return undefined;
    throw error;
  }
  return Buffer.concat(chunks);
}

/** A small file as a whole. */
export function readSmallFile(option: string, path: string): Uint8Array {
  try {
    return readFileSync(path === STDIN ? 0 : path);
  } catch (error) {
    throw isSystemError(error) ? unreadable(option, error) : error;
  }
}

function isSystemError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && 'syscall' in error;
}

function unreadable(option: string, error: Error): CliError {
  return usageError(`${option}: ${error.message}`, 'a readable file', 'correct the path');
}
