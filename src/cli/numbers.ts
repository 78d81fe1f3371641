import { usageError } from './cli-error.ts';
import type { Arguments } from './command.ts';

/** A number on the command line. Throws CliError (64). */
export function wholeNumber(what: string, text: string, min: number, max: number): number {
  const value = Number(text);
  if (/^\d{1,16}$/.test(text) && value >= min && value <= max) return value;
  const most = max === Number.MAX_SAFE_INTEGER ? '' : ` to ${String(max)}`;
  throw usageError(
    `${what} is "${text}"`,
    `a whole number from ${String(min)}${most}`,
    'correct it',
  );
}

/** `--version N` of a key; 0, the version that signs now, when it is absent. */
export function keyVersion(input: Arguments): number {
  const text = input.text('version');
  if (text === undefined) return 0;
  const version = Number(text);
  if (/^[1-9]\d{0,9}$/.test(text) && version <= 0xffff_ffff) return version;
  throw usageError(
    `--version is "${text}"`,
    'a whole number from 1',
    '"npx sealwright keys list" shows the versions',
  );
}
