/** Release files: what a release measures to (docs/spec/appraisal-policy.md, "Release files"). */
import { ObjectReader } from '../../enclave/wire/closed-schema.ts';
import { SignedJsonError } from '../../enclave/wire/signed-json.ts';
import { readJsonFile } from './canonical-file.ts';
import { usageError } from './cli-error.ts';
import { hex } from './output.ts';

export interface Release {
  readonly name: string;
  readonly svn: number;
  /** Hex, by the entry that is run. */
  readonly MR0: { readonly production: string; readonly simulated: string };
}

const NAME = /^[\x21-\x7e](?:[\x20-\x7e]{0,98}[\x21-\x7e])?$/;
const REGISTER_BYTES = 48;

/** Throws CliError (64). */
export function readRelease(path: string): Release {
  const value = readJsonFile(path);
  try {
    const reader = new ObjectReader(value);
    reader.integer('v', 1, 1);
    reader.oneOf('kind', ['release']);
    const registers = reader.object('MR0');
    const release = {
      name: reader.string('name', NAME),
      svn: reader.integer('svn', 1, 0xffff_ffff),
      MR0: {
        production: hex(registers.hex('production', REGISTER_BYTES)),
        simulated: hex(registers.hex('simulated', REGISTER_BYTES)),
      },
    };
    registers.end();
    reader.end();
    return release;
  } catch (error) {
    if (!(error instanceof SignedJsonError)) throw error;
    throw usageError(
      `--from: ${path} is no release file: ${error.message}`,
      'docs/spec/appraisal-policy.md, "Release files"',
      'take one from enclave/releases',
    );
  }
}
