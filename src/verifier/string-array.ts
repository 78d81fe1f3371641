import {
  SignedJsonError,
  type SignedJson,
  type SignedJsonObject,
} from '../../enclave/wire/signed-json.ts';

/**
 * Takes a member that is an array of strings out of an object, for a closed schema to read what remains.
 * `strings` is undefined when the member is absent. Throws SignedJsonError.
 */
export function takeStrings(
  value: SignedJson,
  name: string,
  rule: { readonly pattern: RegExp; readonly max: number },
): { readonly rest: SignedJson; readonly strings: readonly string[] | undefined } {
  if (typeof value !== 'object' || Array.isArray(value)) return { rest: value, strings: undefined };
  const { [name]: member, ...rest } = value as SignedJsonObject;
  if (member === undefined) return { rest, strings: undefined };
  if (!Array.isArray(member)) throw new SignedJsonError(`/${name}`, 'expected an array');
  const items = member as readonly SignedJson[];
  if (items.length > rule.max) {
    throw new SignedJsonError(`/${name}`, `expected at most ${String(rule.max)} items`);
  }
  const strings = items.map((item, i) => {
    if (typeof item === 'string' && rule.pattern.test(item)) return item;
    throw new SignedJsonError(`/${name}/${String(i)}`, `expected ${rule.pattern.source}`);
  });
  return { rest, strings };
}
