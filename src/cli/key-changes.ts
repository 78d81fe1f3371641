/** What an admin's statement did to keys, in words and for programs. */
import { KeyState } from '../gen/sealwright/v1/keys.ts';
import type { KeyChange } from '../gen/sealwright/v1/policy.ts';
import { printable } from '../../enclave/wire/printable.ts';

const STATE_WORDS = new Map<number, string>(
  Object.entries(KeyState)
    .filter(([name]) => name !== 'KEY_STATE_UNSPECIFIED' && name !== 'UNRECOGNIZED')
    .map(([name, number]) => [
      number,
      name.replace('KEY_STATE_', '').toLowerCase().replace('_', '-'),
    ]),
);

const wordOf = (state: number): string | undefined => STATE_WORDS.get(state);

export function changeDocument({ ring, version, from, to }: KeyChange) {
  return { ring: printable(ring), version, from: wordOf(from), to: wordOf(to) };
}

export function changeWords(change: KeyChange): string {
  const { ring, version, from, to } = changeDocument(change);
  const key = `${ring}/${String(version)}`;
  return from === undefined ? `${key} born, ${to ?? '?'}` : `${key} ${from} to ${to ?? '?'}`;
}
