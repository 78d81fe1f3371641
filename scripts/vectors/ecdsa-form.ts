// Vectors of the two forms of an ECDSA signature (docs/spec/policy.md, "Signature forms").
import {
  fixedBytes,
  fromHex,
  hex,
  vector,
  type VectorCase,
  type VectorFile,
} from '../vector-file.ts';

/** DER INTEGER of a magnitude, from its definition (X.690 §8.3). */
function integer(magnitude: string): string {
  let digits = BigInt(`0x${magnitude}`).toString(16);
  if (digits.length % 2 === 1) digits = `0${digits}`;
  if (parseInt(digits.slice(0, 2), 16) >= 0x80) digits = `00${digits}`;
  return `02${(digits.length / 2).toString(16).padStart(2, '0')}${digits}`;
}

function sequence(...parts: readonly string[]): string {
  const body = parts.join('');
  const length = body.length / 2;
  const prefix = length < 0x80 ? '' : '81';
  return `30${prefix}${length.toString(16).padStart(2, '0')}${body}`;
}

function both(id: string, comment: string, r: string, s: string): VectorCase {
  const coordinateBytes = r.length / 2;
  const input = { coordinateBytes, der: sequence(integer(r), integer(s)) };
  return vector(id, comment, input, 'accept', { p1363: r + s });
}

const refused = (id: string, comment: string, der: string, coordinateBytes = 32): VectorCase =>
  vector(id, comment, { coordinateBytes, der }, 'NOT_DER');

const low = (name: string, length: number): string => {
  const bytes = fixedBytes(name, length);
  bytes[0] = 0x11;
  return hex(bytes);
};

const high = (name: string, length: number): string => {
  const bytes = fixedBytes(name, length);
  bytes[0] = 0xf1;
  return hex(bytes);
};

function acceptedCases(): VectorCase[] {
  const long = fromHex('01ff'.padEnd(132, '5a'));
  return [
    both('p256', 'no padding', low('r', 32), low('s', 32)),
    both('p256-high', 'a zero byte before both', high('r', 32), high('s', 32)),
    both('p256-short-r', 'r with two leading zero bytes', `0000${low('r', 30)}`, low('s', 32)),
    both('p256-small', 'r = 1, s = 128', '01'.padStart(64, '0'), '80'.padStart(64, '0')),
    both('p384', 'P-384', high('r', 48), low('s', 48)),
    both('p521', 'a length of two bytes', hex(long), hex(long)),
    both(
      'p521-short',
      'P-521 with a length of one byte',
      '7f'.padStart(132, '0'),
      `00${'ab'.repeat(60)}`.padStart(132, '0'),
    ),
  ];
}

function refusedCases(): VectorCase[] {
  const r = integer(low('r', 32));
  const s = integer(low('s', 32));
  const good = sequence(r, s);
  return [
    refused('empty', 'no bytes', ''),
    refused('truncated', 'the last byte is missing', good.slice(0, -2)),
    refused('trailing', 'a byte after the sequence', `${good}00`),
    refused('trailing-inside', 'a third element', sequence(r, s, '020101')),
    refused('one-integer', 's is missing', sequence(r)),
    refused('not-a-sequence', 'a SET', `31${good.slice(2)}`),
    refused('not-an-integer', 'an OCTET STRING', sequence(`04${r.slice(2)}`, s)),
    refused('negative', 'the top bit is set', sequence(`0220${high('r', 32)}`, s)),
    refused(
      'needless-zero',
      'a zero byte that nothing asks for',
      sequence(`022100${low('r', 32)}`, s),
    ),
    refused('empty-integer', 'no content', sequence('0200', s)),
    refused('needless-long-length', 'a length below 128 in the long form', `3081${good.slice(2)}`),
    refused('longer-than-curve', 'r takes 33 bytes', sequence(integer(`11${low('r', 32)}`), s)),
    refused(
      'other-curve',
      'a P-384 signature on P-256',
      sequence(integer(low('r', 48)), integer(low('s', 48))),
    ),
    refused('indefinite-length', 'BER', `3080${r}${s}0000`),
  ];
}

export function makeVectors(): VectorFile[] {
  const cases = [...acceptedCases(), ...refusedCases()];
  return [
    { file: 'ecdsa-form.json', content: { spec: 'docs/spec/policy.md', specVersion: 1, cases } },
  ];
}
