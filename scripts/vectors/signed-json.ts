// Vectors of docs/spec/signed-json.md.
import { hex, vector, type VectorCase, type VectorFile } from '../vector-file.ts';

const accepted = (id: string, comment: string, text: string): VectorCase =>
  vector(id, comment, { text });

const refused = (id: string, comment: string, text: string, rule: string, place = ''): VectorCase =>
  vector(id, comment, { text }, rule, { place });

const refusedBytes = (id: string, comment: string, bytes: Buffer, rule: string): VectorCase =>
  vector(id, comment, { bytes: hex(bytes) }, rule, { place: '' });

const nested = (open: string, inner: string, close: string, depth: number): string =>
  open.repeat(depth) + inner + close.repeat(depth);

function acceptedCases(): VectorCase[] {
  return [
    accepted('object', 'members in order', '{"a":"x","b":true,"c":[1,2,3]}'),
    accepted('empty-object', 'nothing in it', '{}'),
    accepted('empty-array', 'nothing in it', '[]'),
    accepted('string', 'a document may be any value', '"x"'),
    accepted('largest-integer', '2^53 - 1', '[9007199254740991,-9007199254740991]'),
    accepted('zero', 'the only zero', '0'),
    accepted(
      'order-utf16',
      'RFC 8785 §3.2.3: by UTF-16 code units, so U+1F600 sorts before U+FB33',
      '{"\\r":"Carriage Return","1":"One","\u0080":"Control","ö":"Latin Small Letter O With Diaeresis",' +
        '"€":"Euro Sign","😀":"Emoji: Grinning Face","\ufb33":"Hebrew Letter Dalet With Dagesh"}',
    ),
    accepted(
      'string-escapes',
      'RFC 8785 §3.2.2.2: the shortest escapes, lower-case hex, nothing else escaped',
      '"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"',
    ),
    accepted('short-escapes', 'five controls have a letter', '"\\b\\t\\n\\f\\r"'),
    accepted('delete-is-plain', 'U+007F and U+2028 are not escaped', '"\u007f\u2028"'),
    accepted(
      'integer-like-names',
      'in order of text: a JavaScript object would put 9 first',
      '{"10":1,"9":2}',
    ),
    accepted('depth-8', 'as deep as allowed', nested('[', '1', ']', 8)),
    accepted('depth-8-empty', 'as deep as allowed, nothing inside', nested('[', '', ']', 8)),
    accepted('brackets-in-strings', 'do not count', '"[[[[[[[[[[[[\\"[[[["'),
    accepted('constructor', 'a name like any other', '{"constructor":1,"prototype":2}'),
  ];
}

function byteCases(): VectorCase[] {
  return [
    refused('empty', 'no bytes', '', 'JSON'),
    refusedBytes('bom', 'a byte order mark', Buffer.from('\ufeff{}'), 'JSON'),
    refusedBytes(
      'not-utf-8',
      'a lone continuation byte',
      Buffer.from('2280 22'.replace(' ', ''), 'hex'),
      'UTF_8',
    ),
    refusedBytes('overlong', 'an overlong quotation mark', Buffer.from('22c0a222', 'hex'), 'UTF_8'),
    refusedBytes(
      'surrogate-bytes',
      'U+D800 as three bytes',
      Buffer.from('22eda08022', 'hex'),
      'UTF_8',
    ),
    refusedBytes('utf-16', 'another encoding', Buffer.from('{}', 'utf16le'), 'JSON'),
    refused('two-values', 'bytes after the value', '{}{}', 'JSON'),
    refused('truncated', 'the last byte is missing', '{"a":1', 'JSON'),
    refused('comment', 'no comments', '{}//', 'JSON'),
    refused('trailing-comma', 'no trailing comma', '[1,]', 'JSON'),
    refused('single-quotes', 'no single quotes', "{'a':1}", 'JSON'),
    refused('nan', 'no NaN', 'NaN', 'JSON'),
  ];
}

function formCases(): VectorCase[] {
  return [
    refused('space', 'white space', '{"a": 1}', 'CANONICAL'),
    refused('newline-at-end', 'white space', '{}\n', 'CANONICAL'),
    refused('unsorted', 'members out of order', '{"b":1,"a":2}', 'CANONICAL'),
    refused('unsorted-integers', 'in order of numbers, not of text', '{"9":2,"10":1}', 'CANONICAL'),
    refused(
      'unsorted-utf16',
      'in order of code points, not of UTF-16',
      '{"\ufb33":1,"😀":2}',
      'CANONICAL',
    ),
    refused('duplicate', 'a member twice, other values', '{"a":1,"a":2}', 'CANONICAL'),
    refused('duplicate-same', 'a member twice, same value', '{"a":1,"a":1}', 'CANONICAL'),
    refused(
      'duplicate-escaped',
      'a member twice, once escaped',
      '{"a":1,"\\u0061":2}',
      'CANONICAL',
    ),
    refused('needless-escape', 'a letter escaped', '"\\u0061"', 'CANONICAL'),
    refused('solidus-escape', 'a solidus escaped', '"\\/"', 'CANONICAL'),
    refused('upper-hex', 'upper-case hex in an escape', '"\\u000F"', 'CANONICAL'),
    refused('long-escape', 'the long form of \\n', '"\\u000a"', 'CANONICAL'),
    refused('emoji-escaped', 'a pair of surrogates, escaped', '"\\ud83d\\ude00"', 'CANONICAL'),
    refused('point-zero', 'an integer with a fraction', '[1.0]', 'CANONICAL'),
    refused('exponent', 'an integer with an exponent', '[1e2]', 'CANONICAL'),
  ];
}

function valueCases(): VectorCase[] {
  return [
    refused('null', 'no null', '{"a":{"b":null}}', 'TYPE', '/a/b'),
    refused('fraction', 'no fractions', '[1,0.5]', 'INTEGER', '/1'),
    refused('negative-zero', 'two spellings of one number', '[-0]', 'INTEGER', '/0'),
    refused(
      'too-large',
      '2^53 has a neighbour that reads the same',
      '[9007199254740992]',
      'INTEGER',
      '/0',
    ),
    refused('rounded', '2^53 + 1 reads as 2^53', '[9007199254740993]', 'INTEGER', '/0'),
    refused('too-small', '-2^53', '[-9007199254740992]', 'INTEGER', '/0'),
    refused('infinite', 'reads as infinity', '{"n":1e400}', 'INTEGER', '/n'),
    refused('tiny', 'reads as zero', '{"n":1e-400}', 'CANONICAL'),
    refused('lone-high', 'half a pair', '["\\ud83d"]', 'SURROGATE', '/0'),
    refused('lone-low', 'half a pair', '["\\ude00x"]', 'SURROGATE', '/0'),
    refused('swapped-pair', 'low before high', '["\\ude00\\ud83d"]', 'SURROGATE', '/0'),
    refused(
      'lone-in-name',
      'half a pair in a name',
      '{"\\ud83d":1}',
      'SURROGATE',
      '/\ud83d'.toWellFormed(),
    ),
    refused(
      'proto',
      'a name that would become a prototype',
      '{"a":{"__proto__":{"b":1}}}',
      'NAME',
      '/a/__proto__',
    ),
    refused('proto-escaped', 'the same, escaped', '{"\\u005f_proto__":1}', 'NAME', '/__proto__'),
    refused(
      'place-escapes',
      'RFC 6901 §3: ~ and / in names',
      '{"a/b":{"c~d":null}}',
      'TYPE',
      '/a~1b/c~0d',
    ),
    refused('depth-9', 'too deep', nested('[', '1', ']', 9), 'DEPTH'),
    refused('depth-9-empty', 'too deep, nothing inside', nested('[', '', ']', 9), 'DEPTH'),
    refused('depth-9-objects', 'too deep', nested('{"a":', '1', '}', 9), 'DEPTH'),
    refused('depth-9-mixed', 'too deep', nested('[', '{}', ']', 8), 'DEPTH'),
    refused('depth-unclosed', 'too deep before it is JSON', '['.repeat(64), 'DEPTH'),
  ];
}

export function makeVectors(): VectorFile[] {
  const cases = [...acceptedCases(), ...byteCases(), ...formCases(), ...valueCases()];
  return [
    {
      file: 'signed-json.json',
      content: { spec: 'docs/spec/signed-json.md', specVersion: 1, cases },
    },
  ];
}
