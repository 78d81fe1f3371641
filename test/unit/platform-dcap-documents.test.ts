import { describe, expect, test } from 'vitest';
import { StrictJsonError, parseStrictJson } from '../../src/verifier/formats/dcap/strict-json.ts';
import {
  TCB_STATUSES,
  convergeTcb,
  type TcbStatus,
} from '../../src/verifier/formats/dcap/tcb-status.ts';

const bytesOf = (text: string): Uint8Array => Buffer.from(text);

describe('strict JSON', () => {
  test('an object remembers its bytes, and members come out', () => {
    const inner = '{ "a" : [1, 22,{}] ,"b":"x\\n" }';
    const outer = parseStrictJson(bytesOf(` {"inner":${inner},"s":true,"n":null}\n`));
    const object = outer.object('inner');

    expect(Buffer.from(object.raw).toString()).toBe(inner);
    expect(object.list('a', 3).slice(0, 2)).toEqual([1, 22]);
    expect(object.string('b', /^x\n$/)).toBe('x\n');
    expect(() => outer.object('n')).toThrow(StrictJsonError);
    expect(() => object.list('a', 2)).toThrow('/inner/a: more than 2 items');
    expect(() => object.hex('b', 1)).toThrow(StrictJsonError);
    expect(() => object.integer('b', 1)).toThrow('/inner/b: expected an integer of at most 1');
  });

  test.each([
    ['nothing', ''],
    ['a list', '[]'],
    ['a text', '"a"'],
    ['a member twice', '{"a":1,"a":1}'],
    ['a member twice, in an object within', '{"o":{"a":1,"b":2,"a":1}}'],
    ['a trailing comma', '{"a":1,}'],
    ['a comma too many in a list', '{"a":[1,]}'],
    ['no comma', '{"a":1 "b":2}'],
    ['no colon', '{"a" 1}'],
    ['a name without quotes', '{a:1}'],
    ['single quotes', "{'a':1}"],
    ['a comment', '{"a":1/**/}'],
    ['two documents', '{}{}'],
    ['a negative number', '{"a":-1}'],
    ['a fraction', '{"a":1.0}'],
    ['an exponent', '{"a":1e2}'],
    ['a leading zero', '{"a":01}'],
    ['a number beyond 2^53', '{"a":9007199254740993}'],
    ['hexadecimal', '{"a":0x10}'],
    ['NaN', '{"a":NaN}'],
    ['an escaped name', '{"\\u0061":1}'],
    ['an escape that hides a letter', '{"a":"\\u0062"}'],
    ['a line break in a text', '{"a":"\n"}'],
    ['a letter outside ASCII', '{"a":"é"}'],
    ['a text without an end', '{"a":"b'],
    ['an object without an end', '{"a":{'],
    ['a byte order mark', '\ufeff{}'],
    ['a form feed between tokens', '{\f"a":1}'],
    ['nesting', `{"a":${'['.repeat(9)}${']'.repeat(9)}}`],
  ])('%s is refused', (_, text) => {
    expect(() => parseStrictJson(bytesOf(text))).toThrow(StrictJsonError);
  });

  test('bytes that are not UTF-8, and more than the limit', () => {
    expect(() => parseStrictJson(Uint8Array.of(0x7b, 0xff, 0x7d))).toThrow('/: not UTF-8');
    expect(() => parseStrictJson(new Uint8Array(256 * 1024 + 1))).toThrow('larger than the limit');
  });

  test('__proto__ is a member like any other', () => {
    const object = parseStrictJson(bytesOf('{"__proto__":{"tee":1}}'));

    expect(object.has('__proto__')).toBe(true);
    expect(object.has('tee')).toBe(false);
    expect(object.has('constructor')).toBe(false);
  });
});

/** Intel's quote verification library, convergeTcbStatus…: rows platform, columns what is out of date beside it. */
const WITH_OUT_OF_DATE: Readonly<Record<TcbStatus, TcbStatus>> = {
  UpToDate: 'OutOfDate',
  SWHardeningNeeded: 'OutOfDate',
  ConfigurationNeeded: 'OutOfDateConfigurationNeeded',
  ConfigurationAndSWHardeningNeeded: 'OutOfDateConfigurationNeeded',
  OutOfDate: 'OutOfDate',
  OutOfDateConfigurationNeeded: 'OutOfDateConfigurationNeeded',
  Revoked: 'Revoked',
};

describe('statuses converge', () => {
  const converge = (...statuses: TcbStatus[]): TcbStatus | undefined =>
    convergeTcb(statuses.map((status) => ({ status, advisories: [] })))?.status;

  test.each(TCB_STATUSES)('%s with good, old and revoked parts', (status) => {
    expect(converge(status)).toBe(status);
    expect(converge(status, 'UpToDate', 'UpToDate')).toBe(status);
    expect(converge(status, 'OutOfDate')).toBe(WITH_OUT_OF_DATE[status]);
    expect(converge('OutOfDate', status)).toBe(WITH_OUT_OF_DATE[status]);
    expect(converge(status, 'UpToDate', 'Revoked')).toBe('Revoked');
    expect(converge('Revoked', status)).toBe('Revoked');
  });

  test('the order never matters, and advisories are of all of them, once', () => {
    for (const a of TCB_STATUSES) {
      for (const b of TCB_STATUSES) expect(converge(a, b)).toBe(converge(b, a));
    }
    expect(
      convergeTcb([
        { status: 'UpToDate', advisories: ['INTEL-SA-00002', 'INTEL-SA-00001'] },
        { status: 'UpToDate', advisories: ['INTEL-SA-00001'] },
      ])?.advisories,
    ).toEqual(['INTEL-SA-00001', 'INTEL-SA-00002']);
    expect(convergeTcb([])).toBeUndefined();
  });
});
