import fc from 'fast-check';
import { expect, test } from 'vitest';
import { utf8 } from '../../enclave/wire/bytes.ts';
import {
  canonicalize,
  parseSignedJson,
  SignedJsonError,
  type SignedJson,
} from '../../enclave/wire/signed-json.ts';
import { runs } from '../support/runs.ts';
import { thrown } from '../support/vectors.ts';

const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
const name = fc.string({ unit: 'grapheme' }).filter((value) => value !== '__proto__');

/** Any value of the profile: at most 8 containers deep. */
const { value: document } = fc.letrec<{ value: SignedJson }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 6, depthSize: 'small' },
    fc.string({ unit: 'grapheme' }),
    fc.boolean(),
    fc.maxSafeInteger().map((integer) => (Object.is(integer, -0) ? 0 : integer)),
    fc.array(tie('value'), { maxLength: 4 }),
    fc.dictionary(name, tie('value'), { maxKeys: 4, noNullPrototype: true }),
  ),
}));

/** RFC 8785 by other means: a replacer that sorts, and JSON.stringify for the rest. */
function reference(value: SignedJson): string {
  if (Array.isArray(value)) return `[${(value as SignedJson[]).map(reference).join(',')}]`;
  if (typeof value !== 'object') return JSON.stringify(value);
  const units = (member: string): number[] =>
    Array.from({ length: member.length }, (_, i) => member.charCodeAt(i));
  const members = Object.entries(value).sort(([a], [b]) => {
    const [left, right] = [units(a), units(b)];
    const at = left.findIndex((unit, i) => unit !== right[i]);
    return at < 0 ? left.length - right.length : (left[at] ?? 0) - (right[at] ?? -1);
  });
  return `{${members.map(([member, inner]) => `${JSON.stringify(member)}:${reference(inner)}`).join(',')}}`;
}

test('what is written is read, and is what RFC 8785 says', () => {
  fc.assert(
    fc.property(document, (value) => {
      const bytes = canonicalize(value);
      expect(text(bytes)).toBe(reference(value));
      expect(text(canonicalize(parseSignedJson(bytes)))).toBe(text(bytes));
    }),
    runs(500),
  );
});

test('no other spelling of a value is read', () => {
  fc.assert(
    fc.property(document, fc.integer({ min: 1, max: 3 }), (value, indent) => {
      const canonical = text(canonicalize(value));
      for (const other of [
        JSON.stringify(value, null, indent),
        ` ${canonical}`,
        `${canonical}\n`,
        canonical.replaceAll('"', '\\"'),
        canonical.replace(/[a-z]/, (c) => `\\u00${c.charCodeAt(0).toString(16)}`),
      ]) {
        if (other === canonical) continue;
        const error = thrown(() => {
          // Another value may have this form; the same value may not.
          expect(text(canonicalize(parseSignedJson(utf8(other))))).not.toBe(canonical);
        });
        if (error !== undefined) expect(error).toBeInstanceOf(SignedJsonError);
      }
    }),
    runs(300),
  );
});

test('any JSON is read as itself or refused', () => {
  fc.assert(
    fc.property(fc.json(), (json) => {
      const error = thrown(() => {
        expect(text(canonicalize(parseSignedJson(utf8(json))))).toBe(json);
      });
      if (error !== undefined) expect(error).toBeInstanceOf(SignedJsonError);
    }),
    runs(500),
  );
});

test('any bytes are read as themselves or refused', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
      const error = thrown(() => {
        expect(canonicalize(parseSignedJson(bytes))).toEqual(bytes);
      });
      if (error !== undefined) expect(error).toBeInstanceOf(SignedJsonError);
    }),
    runs(1000),
  );
});
