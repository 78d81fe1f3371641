/** JSON files that people write, as the canonical bytes that are sent and signed. */
import { readFileSync } from 'node:fs';
import { SignedJsonError, canonicalize } from '../../enclave/wire/signed-json.ts';
import type { SignedJson } from '../../enclave/wire/signed-json.ts';
import { usageError } from './cli-error.ts';

export function readJsonFile(path: string): SignedJson {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw usageError((error as Error).message, 'a readable JSON file', 'correct the path');
  }
  try {
    return JSON.parse(text) as SignedJson;
  } catch (error) {
    throw usageError(
      `${path} is not JSON: ${(error as Error).message}`,
      'one JSON document',
      'correct it there',
    );
  }
}

/** RFC 8785 bytes of a file. Throws CliError (64) with the place of what the profile excludes. */
export function canonicalJsonFile(path: string): Uint8Array {
  const value = readJsonFile(path);
  try {
    return canonicalize(value);
  } catch (error) {
    if (!(error instanceof SignedJsonError)) throw error;
    throw usageError(
      `${path}: ${error.message}`,
      'strings, booleans, integers below 2^53, arrays and objects',
      'correct it there',
    );
  }
}
