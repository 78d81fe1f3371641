/** The three files of a proposed genesis: manifest, statement, setup evidence. Admins get copies of the folder. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { ObjectReader } from '../../enclave/wire/closed-schema.ts';
import { MAX_MANIFEST_BYTES } from '../../enclave/wire/limits.ts';
import { parsePolicy, type Policy } from '../../enclave/wire/policy/document.ts';
import {
  parseGenesisStatement,
  type GenesisStatement,
} from '../../enclave/wire/policy/genesis-statement.ts';
import { printable } from '../../enclave/wire/printable.ts';
import { parseSignedJson, SignedJsonError } from '../../enclave/wire/signed-json.ts';
import { usageError } from './cli-error.ts';
import { readNamedFile } from './evidence-options.ts';
import { writeOutput } from './output-file.ts';

export interface GenesisFiles {
  readonly manifest: Uint8Array;
  /** What admins sign. */
  readonly statement: Uint8Array;
  readonly evidence: Uint8Array;
}

export function genesisPaths(folder: string): Readonly<Record<keyof GenesisFiles, string>> {
  return {
    manifest: join(folder, 'manifest.json'),
    statement: join(folder, 'statement.json'),
    evidence: join(folder, 'setup.evidence.json'),
  };
}

/** Throws CliError (64). */
export function writeGenesisFiles(folder: string, files: GenesisFiles): void {
  try {
    mkdirSync(folder, { recursive: true });
  } catch (error) {
    throw usageError(`--out: ${(error as Error).message}`, 'a folder', 'correct the path');
  }
  const paths = genesisPaths(folder);
  for (const name of ['manifest', 'statement', 'evidence'] as const) {
    writeOutput('out', paths[name], files[name]);
  }
}

/** Throws CliError (64). */
export function readGenesisFiles(folder: string): GenesisFiles {
  const paths = genesisPaths(folder);
  return {
    manifest: readNamedFile(paths.manifest),
    statement: readNamedFile(paths.statement),
    evidence: readNamedFile(paths.evidence),
  };
}

/** Throws CliError (64) for bytes that are no genesis statement. */
export function statementIn(folder: string): GenesisStatement {
  const path = genesisPaths(folder).statement;
  return reading(path, () => parseGenesisStatement(readNamedFile(path)));
}

/** The first policy of a manifest. Throws CliError (64). */
export function policyIn(folder: string, manifest: Uint8Array): Policy {
  return reading(genesisPaths(folder).manifest, () => {
    const reader = new ObjectReader(parseSignedJson(manifest, MAX_MANIFEST_BYTES));
    return parsePolicy(reader.object('policy'));
  });
}

function reading<T>(path: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof SignedJsonError)) throw error;
    throw usageError(
      `${path}: ${printable(error.message)}`,
      'a file as "genesis propose" wrote it',
      'have it sent again',
    );
  }
}
