/** Whether the evidence carries what the relying party bound to it: a nonce, the hash of a key, a known value. */
import { toHex } from '../../enclave/wire/bytes.ts';
import { judge, notChecked, type Check } from './check.ts';
import type { FieldRule, PlatformStatement } from './platform-format.ts';
import type { BindingRule } from './platform-policy.ts';

/** RFC 9711 §4.1 asks for at least 8 bytes; no format carries more than 1,024. */
export const MIN_PLATFORM_NONCE_BYTES = 8;
export const MAX_PLATFORM_NONCE_BYTES = 1024;

/** The nonce that the caller drew, or why it drew none. */
export type PlatformNonce =
  | { readonly nonce: Uint8Array; readonly noNonce?: never }
  | { readonly noNonce: string; readonly nonce?: never };

type Binding = ReadonlyMap<string, BindingRule>;
type Given = ReadonlyMap<string, Uint8Array> | undefined;

/** @throws RangeError when call and policy do not ask for the same */
export function checkPlatformNonce(binding: Binding, input: PlatformNonce, given: Given): void {
  const { nonce, noNonce } = input as { nonce?: Uint8Array; noNonce?: string };
  if ((nonce === undefined) === (noNonce === undefined)) {
    throw new RangeError('either a nonce or a reason for none');
  }
  if (noNonce?.trim() === '') throw new RangeError('noNonce: the reason is empty');
  const length = nonce?.byteLength ?? MIN_PLATFORM_NONCE_BYTES;
  if (length < MIN_PLATFORM_NONCE_BYTES || length > MAX_PLATFORM_NONCE_BYTES) {
    throw new RangeError(`nonce: 8 to 1024 bytes, not ${String(length)}`);
  }
  const wanted = [...binding].filter(([, { rule }]) => rule === 'given').map(([name]) => name);
  const got = [...(given?.keys() ?? [])];
  const missing = wanted.filter((name) => !got.includes(name));
  const extra = got.filter((name) => !wanted.includes(name));
  if (missing.length > 0) throw new RangeError(`given: nothing for ${missing.join(', ')}`);
  if (extra.length > 0)
    throw new RangeError(`given: the policy does not ask for ${extra.join(', ')}`);
  const empty = got.find((name) => given?.get(name)?.byteLength === 0);
  if (empty !== undefined) throw new RangeError(`given: ${empty} is empty`);
}

/** One check per field, and one that a nonce which was drawn is asked for anywhere. */
export function appraiseBinding(
  { fields }: PlatformStatement,
  rules: Readonly<Record<string, FieldRule>>,
  binding: Binding,
  input: PlatformNonce & { readonly given?: ReadonlyMap<string, Uint8Array> },
): Check[] {
  const checks = [...binding].map(([name, rule]) => {
    const found = fields.get(name);
    const fixedBytes = rules[name]?.fixedBytes;
    const text = found === undefined ? 'absent' : toHex(found);
    const id = `binding/${name}`;
    const compare = (wanted: Uint8Array, otherwise: string): Check =>
      judge(found !== undefined && equalPadded(found, wanted, fixedBytes), {
        id,
        expected: `${toHex(wanted)}${fixedBytes === undefined ? '' : ', then zeros'}`,
        found: text,
        otherwise: found === undefined ? 'nothing is bound' : otherwise,
      });
    switch (rule.rule) {
      case 'skip':
        return notChecked(id, text, rule.because);
      case 'absent':
        // Zeros are how a fixed field says nothing.
        return judge(found === undefined || found.every((byte) => byte === 0), {
          id,
          expected: 'nothing',
          found: text,
          otherwise: 'something is bound that the policy knows nothing of',
        });
      case 'equals':
        return compare(rule.value, 'the evidence is bound to something else');
      case 'given':
        return compare(
          input.given?.get(name) ?? new Uint8Array(0),
          'the evidence is bound to something else',
        );
      case 'nonce':
        return input.nonce === undefined
          ? notChecked(id, text, input.noNonce)
          : compare(input.nonce, 'an answer to another nonce');
    }
  });
  const asks = [...binding.values()].some(({ rule }) => rule === 'nonce');
  if (input.nonce === undefined || asks) return checks;
  checks.push(
    judge(false, {
      id: 'nonce',
      expected: 'a field that the policy binds to the nonce',
      found: 'none',
      otherwise: 'a nonce was drawn, and nothing of the evidence is held against it',
    }),
  );
  return checks;
}

/** Does not stop at the first difference. An empty expectation equals nothing. */
function equalPadded(
  found: Uint8Array,
  wanted: Uint8Array,
  fixedBytes: number | undefined,
): boolean {
  if (wanted.byteLength === 0 || wanted.byteLength > found.byteLength) return false;
  if (fixedBytes === undefined && wanted.byteLength !== found.byteLength) return false;
  let difference = 0;
  for (const [i, byte] of found.entries()) difference |= byte ^ (wanted[i] ?? 0);
  return difference === 0;
}
