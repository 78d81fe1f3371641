import { describe, expect, test } from 'vitest';
import { utf8 } from '../../enclave/wire/bytes.ts';
import { ObjectReader } from '../../enclave/wire/closed-schema.ts';
import { MAX_JSON_BYTES } from '../../enclave/wire/limits.ts';
import {
  canonicalize,
  parseSignedJson,
  SignedJsonError,
  type SignedJson,
} from '../../enclave/wire/signed-json.ts';
import { bitFlips, readVectors, thrown, truncations } from '../support/vectors.ts';

interface Input {
  readonly text?: string;
  readonly bytes?: string;
}

const vectors = readVectors<Input, { readonly place: string }>('signed-json.json');
const bytesOf = ({ text, bytes }: Input): Uint8Array =>
  bytes === undefined ? utf8(text ?? '') : Uint8Array.from(Buffer.from(bytes, 'hex'));
const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

/** The rule as vectors spell it, and the place. */
function refusalOf(run: () => unknown): string {
  const error = thrown(run);
  if (error === undefined) return 'accept';
  if (!(error instanceof SignedJsonError)) throw new Error('another error', { cause: error });
  return `${error.rule.toUpperCase().replace('-', '_')} ${error.place.toWellFormed()}`;
}

describe('vectors', () => {
  test.each(vectors)('$id: $comment', ({ input, expect: wanted, output }) => {
    const place = output === undefined ? '' : ` ${output.place}`;
    expect(refusalOf(() => parseSignedJson(bytesOf(input)))).toBe(`${wanted}${place}`);
  });

  test.each(vectors.filter((vector) => vector.expect === 'accept'))(
    '$id is written as it was read',
    ({ input }) => {
      const bytes = bytesOf(input);
      expect(text(canonicalize(parseSignedJson(bytes)))).toBe(text(bytes));
    },
  );
});

describe('a document', () => {
  const document = utf8('{"a":"é\\n","b":[1,true,{"c":"😀"}]}');

  test('is not read when it is cut anywhere', () => {
    for (const cut of truncations(document))
      expect(() => parseSignedJson(cut)).toThrow(SignedJsonError);
  });

  test('is refused or another one when a bit changes', () => {
    const original = text(document);
    for (const flipped of bitFlips(document)) {
      const error = thrown(() => {
        expect(text(canonicalize(parseSignedJson(flipped)))).not.toBe(original);
      });
      if (error !== undefined) expect(error).toBeInstanceOf(SignedJsonError);
    }
  });

  test.each(['\0', ' ', '\n', '}', ',', '//'])('is refused with %j after it', (tail) => {
    expect(() => parseSignedJson(utf8(text(document) + tail))).toThrow(SignedJsonError);
  });

  test('may be as large as the limit and no larger', () => {
    const largest = utf8(`"${'a'.repeat(MAX_JSON_BYTES - 2)}"`);
    expect(refusalOf(() => parseSignedJson(largest))).toBe('accept');
    expect(refusalOf(() => parseSignedJson(utf8(`"${'a'.repeat(MAX_JSON_BYTES - 1)}"`)))).toBe(
      'SIZE ',
    );
    expect(refusalOf(() => parseSignedJson(utf8('{}'), 1))).toBe('SIZE ');
  });

  test('that nests a hundred thousand times ends in a refusal', () => {
    expect(refusalOf(() => parseSignedJson(utf8('['.repeat(100_000))))).toBe('DEPTH ');
    expect(refusalOf(() => parseSignedJson(utf8('{"a":'.repeat(100_000))))).toBe('DEPTH ');
  });

  test('with __proto__ changes no prototype', () => {
    expect(() => parseSignedJson(utf8('{"__proto__":{"polluted":true}}'))).toThrow(SignedJsonError);
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
  });
});

describe('canonicalize', () => {
  // What the types exclude still arrives from untyped code.
  const untyped = (value: unknown): SignedJson => value as SignedJson;

  test.each([
    ['undefined', undefined, 'TYPE '],
    ['null', null, 'TYPE '],
    ['a function', () => 1, 'TYPE '],
    ['a bigint', 1n, 'TYPE '],
    ['NaN', Number.NaN, 'INTEGER '],
    ['infinity', Number.POSITIVE_INFINITY, 'INTEGER '],
    ['-0', -0, 'INTEGER '],
    ['2^53', 2 ** 53, 'INTEGER '],
    ['a fraction', 0.1, 'INTEGER '],
    ['an undefined member', { a: undefined }, 'TYPE /a'],
    ['an undefined item', [1, undefined], 'TYPE /1'],
    ['a hole', Array.from({ length: 0 }, () => 1).concat(new Array<number>(1)), 'TYPE /0'],
    ['a lone surrogate', ['\ud800'], 'SURROGATE /0'],
    ['a lone surrogate as a name', { '\udc00': 1 }, 'SURROGATE /\ufffd'],
    ['an own __proto__', JSON.parse('{"__proto__":1}') as unknown, 'NAME /__proto__'],
  ])('refuses %s', (_, value, wanted) => {
    expect(refusalOf(() => canonicalize(untyped(value)))).toBe(wanted);
  });

  test('writes nothing that the reader refuses for its depth', () => {
    let value: SignedJson = [];
    for (let depth = 1; depth < 8; depth += 1) value = { a: value };
    expect(refusalOf(() => parseSignedJson(canonicalize(value)))).toBe('accept');
    expect(refusalOf(() => canonicalize([value]))).toBe(`DEPTH /0${'/a'.repeat(7)}`);
  });

  test('sorts names by UTF-16 code units', () => {
    expect(text(canonicalize({ b: 1, a: 2, B: 3, '10': 4, '9': 5, '': 6 }))).toBe(
      '{"":6,"10":4,"9":5,"B":3,"a":2,"b":1}',
    );
  });
});

describe('a closed schema', () => {
  const reader = (json: string): ObjectReader =>
    new ObjectReader(parseSignedJson(utf8(json)), '/x');

  test('takes what is asked for', () => {
    const object = reader('{"b":true,"h":"00ff","i":7,"l":[{"a":"x"}],"o":{"s":"y"},"w":"two"}');
    expect(object.boolean('b')).toBe(true);
    expect(object.hex('h', 2)).toEqual(Uint8Array.of(0, 255));
    expect(object.integer('i', 7, 7)).toBe(7);
    expect(object.objects('l', 1).map((item) => item.string('a', /^x$/))).toEqual(['x']);
    expect(object.object('o').string('s', /^y$/)).toBe('y');
    expect(object.oneOf('w', ['one', 'two'])).toBe('two');
    object.end();
  });

  test.each<readonly [string, string, (object: ObjectReader) => unknown, string]>([
    [
      'a member that nobody asked for',
      '{"a":1}',
      (o) => {
        o.end();
      },
      '/x/a',
    ],
    [
      'such a member with a solidus',
      '{"a/b":1}',
      (o) => {
        o.end();
      },
      '/x/a~1b',
    ],
    ['a missing string', '{}', (o) => o.string('a', /./), '/x/a'],
    ['an inherited member', '{}', (o) => o.string('constructor', /./), '/x/constructor'],
    ['a number for a string', '{"a":1}', (o) => o.string('a', /./), '/x/a'],
    ['a string of another pattern', '{"a":"b"}', (o) => o.string('a', /^a$/), '/x/a'],
    ['another word', '{"a":"b"}', (o) => o.oneOf('a', ['a']), '/x/a'],
    ['upper-case hex', '{"a":"FF"}', (o) => o.hex('a', 1), '/x/a'],
    ['short hex', '{"a":"ff"}', (o) => o.hex('a', 2), '/x/a'],
    ['hex of half a byte', '{"a":"fff"}', (o) => o.hex('a', 1), '/x/a'],
    ['a small integer', '{"a":1}', (o) => o.integer('a', 2), '/x/a'],
    ['a large integer', '{"a":3}', (o) => o.integer('a', 1, 2), '/x/a'],
    ['a text for an integer', '{"a":"1"}', (o) => o.integer('a', 1), '/x/a'],
    ['a number for a boolean', '{"a":1}', (o) => o.boolean('a'), '/x/a'],
    ['an array for an object', '{"a":[]}', (o) => o.object('a'), '/x/a'],
    ['a string for an object', '{"a":"{}"}', (o) => o.object('a'), '/x/a'],
    ['an object for an array', '{"a":{}}', (o) => o.objects('a', 9), '/x/a'],
    ['too many items', '{"a":[{},{}]}', (o) => o.objects('a', 1), '/x/a'],
    ['an item that is no object', '{"a":[{},1]}', (o) => o.objects('a', 2), '/x/a/1'],
  ])('refuses %s', (_, json, ask, place) => {
    expect(refusalOf(() => ask(reader(json)))).toBe(`SCHEMA ${place}`);
  });
});
