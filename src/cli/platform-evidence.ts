/** What the commands about evidence of real platforms share: files, collateral folders, formats and policies. */
import { readFileSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import {
  AppraisalPolicyError,
  MAX_COLLATERAL_FILES,
  MAX_COLLATERAL_FILE_BYTES,
  PLATFORM_FORMAT_NAMES,
  detectPlatformFormat,
  parsePlatformPolicy,
  platformFormat,
  type Collateral,
  type PlatformFormat,
  type PlatformPolicy,
} from '../verifier/index.ts';
import { readJsonFile } from './canonical-file.ts';
import { usageError } from './cli-error.ts';
import type { Arguments } from './command.ts';

export const FORMAT_OPTION = {
  format: {
    value: 'FORMAT',
    help: 'the platform whose own evidence FILE is; without it the bytes say',
    oneOf: PLATFORM_FORMAT_NAMES,
  },
} as const;

export const COLLATERAL_OPTION = {
  collateral: {
    value: 'DIR',
    help: 'certificates, lists and vendor documents that a platform’s evidence needs beside it',
  },
} as const;

/** A file that is evidence of a platform by itself, with its format; undefined for a bundle or anything else. */
export interface PlatformFile {
  readonly bytes: Uint8Array;
  readonly format: PlatformFormat;
}

/** Throws CliError when the file can only be platform evidence and its format is not known. */
export function platformFile(input: Arguments, file: Uint8Array): PlatformFile | undefined {
  const named = input.text('format');
  const bytes = binaryOf(file);
  if (named !== undefined) return { bytes, format: platformFormat(named) };
  if (isJson(file)) return undefined;
  const format = detectPlatformFormat(bytes);
  return format === undefined ? undefined : { bytes, format };
}

function isJson(file: Uint8Array): boolean {
  const first = file.find((byte) => byte > 0x20);
  return first === 0x7b;
}

/** Evidence travels as text too: hex, base64 or base64url, and nothing else in the file. */
export function binaryOf(file: Uint8Array): Uint8Array {
  const text = Buffer.from(file).toString('latin1').replace(/\s+/g, '');
  if (/^(?:[0-9a-fA-F]{2})+$/.test(text)) return Uint8Array.from(Buffer.from(text, 'hex'));
  if (!/^[A-Za-z0-9+/_-]{32,}={0,2}$/.test(text)) return file;
  return Uint8Array.from(Buffer.from(text, 'base64'));
}

/** All files of a folder by their names; none without the option. Throws CliError. */
export function collateralOf(input: Arguments): Collateral {
  const folder = input.text('collateral');
  if (folder === undefined) return new Map();
  try {
    const names = readdirSync(folder).filter(
      (name) => !name.startsWith('.') && statSync(join(folder, name)).isFile(),
    );
    if (names.length > MAX_COLLATERAL_FILES) {
      throw new RangeError(`more than ${String(MAX_COLLATERAL_FILES)} files`);
    }
    return new Map(names.sort().map((name) => [name, readCapped(join(folder, name))]));
  } catch (error) {
    throw usageError(
      `--collateral: ${(error as Error).message}`,
      'a folder of a few certificates, lists and documents',
      'see "npx sealwright collateral FILE" for what belongs in it',
    );
  }
}

function readCapped(path: string): Uint8Array {
  const { size } = statSync(path);
  if (size > MAX_COLLATERAL_FILE_BYTES) throw new RangeError(`${path} has ${String(size)} bytes`);
  return readFileSync(path);
}

/** A platform policy for this format. Throws CliError (64) with all problems of the file. */
export function readPlatformPolicy(path: string, format: PlatformFormat): PlatformPolicy {
  let policy: PlatformPolicy;
  try {
    policy = parsePlatformPolicy(readJsonFile(path));
  } catch (error) {
    if (!(error instanceof AppraisalPolicyError)) throw error;
    throw usageError(
      `--reference: ${path} is no platform policy:\n    ${error.message.replaceAll('\n', '\n    ')}`,
      `docs/platforms/${format.name}.md has a whole one`,
      'correct the file',
    );
  }
  if (policy.format === format.name) return policy;
  throw usageError(
    `--reference: ${path} is for ${policy.format}, the evidence is ${format.name}`,
    'a policy for the same platform',
    'name the other file, or say --format',
  );
}

/** `--bind FIELD=HEX,FIELD=HEX`. Throws CliError. */
export function boundBytes(input: Arguments): ReadonlyMap<string, Uint8Array> | undefined {
  const text = input.text('bind');
  if (text === undefined) return undefined;
  const given = new Map<string, Uint8Array>();
  for (const part of text.split(',')) {
    const [, name, value] = /^([A-Za-z]+)=((?:[0-9a-fA-F]{2})+)$/.exec(part) ?? [];
    if (name === undefined || value === undefined || given.has(name)) {
      throw usageError(
        `--bind has "${part}"`,
        'FIELD=HEX, once for each field that the policy wants from the call',
        'correct it',
      );
    }
    given.set(name, Uint8Array.from(Buffer.from(value, 'hex')));
  }
  return given;
}
