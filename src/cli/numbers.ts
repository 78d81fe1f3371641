import { usageError } from './cli-error.ts';
import type { Arguments } from './command.ts';

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
