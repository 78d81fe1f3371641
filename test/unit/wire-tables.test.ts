import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import {
  algorithmFromWire,
  algorithmRow,
  ALGORITHMS,
  isAlgorithmName,
  type AlgorithmName,
} from '../../enclave/wire/algorithm.ts';
import {
  DETAIL_KEYS,
  ERROR_CODES,
  HALT_REASONS,
  reasonOf,
  Refusal,
} from '../../enclave/wire/error-code.ts';
import { Algorithm } from '../../enclave/wire/gen/sealwright/v1/keys.ts';
import * as limits from '../../enclave/wire/limits.ts';

const names = Object.keys(ALGORITHMS) as AlgorithmName[];

describe('the table of algorithms', () => {
  test('has the numbers of the protocol', () => {
    for (const name of names) {
      const proto =
        `ALGORITHM_${name.toUpperCase().replaceAll('-', '_')}` as keyof typeof Algorithm;
      expect(Algorithm[proto]).toBe(ALGORITHMS[name].wire);
      expect(algorithmFromWire(ALGORITHMS[name].wire)).toBe(name);
    }
  });

  test.each([0, 14, -1, 1.5, Number.NaN])('has no row for %d', (wire) => {
    expect(algorithmFromWire(wire)).toBeUndefined();
  });

  test.each(['', 'none', 'HS256', 'es256', 'ES256 ', 'constructor', '__proto__', 'toString'])(
    'has no name %j',
    (name) => {
      expect(isAlgorithmName(name)).toBe(false);
    },
  );

  test('gives each hash its length', () => {
    const lengths = { sha256: 32, sha384: 48, sha512: 64 };
    for (const name of names) {
      const row = algorithmRow(name);
      if ('hash' in row) expect(row.digestBytes).toBe(lengths[row.hash]);
    }
  });

  test('keeps ML-DSA out of tokens', () => {
    for (const name of names.filter((candidate) => candidate.startsWith('ML-DSA'))) {
      expect(ALGORITHMS[name].residencies).toEqual(['enclave']);
    }
  });
});

describe('the list of reasons', () => {
  test('has one number each', () => {
    const codes = Object.values(ERROR_CODES);
    expect(new Set(codes).size).toBe(codes.length);
    for (const [reason, code] of Object.entries(ERROR_CODES)) expect(reasonOf(code)).toBe(reason);
  });

  test.each([0, -1, 1, 99, 65_536])('has no reason %d', (code) => {
    expect(reasonOf(code)).toBeUndefined();
  });

  test('gives a refusal no text but its word', () => {
    expect(new Refusal('INTERNAL').message).toBe('INTERNAL');
    expect(new Refusal('INTERNAL').details).toEqual({});
  });

  test('has each halt once', () => {
    expect(new Set(HALT_REASONS).size).toBe(HALT_REASONS.length);
  });
});

describe('docs/spec/errors.md', () => {
  const page = readFileSync(new URL('../../docs/spec/errors.md', import.meta.url), 'utf8');
  const [codes = '', details = '', halts = ''] = page.split(/^## /m);
  const words = (text: string, pattern: RegExp): string[] =>
    Array.from(text.matchAll(pattern), ([, first = '', second = '']) =>
      `${first} ${second}`.trim(),
    );

  test('has every code, reason, detail and halt, and no other', () => {
    const rows = words(codes, /^\| (\d+) \| `([A-Z_]+)` \|/gm);
    const all = Object.entries(ERROR_CODES).map(([reason, code]) => `${String(code)} ${reason}`);
    expect(rows.sort()).toEqual(all.sort());
    expect(words(details, /`([a-zA-Z]+)`/g)).toEqual([...DETAIL_KEYS]);
    expect(words(halts, /^\| `([A-Z_]+)` \|/gm).sort()).toEqual([...HALT_REASONS].sort());
  });
});

describe('limits hold together', () => {
  test('every document fits its frame, its record and its answer', () => {
    expect(limits.MAX_MESSAGE_BYTES).toBeLessThan(limits.MAX_REQUEST_BYTES);
    expect(limits.MAX_REQUEST_BYTES).toBeLessThan(limits.MAX_GRPC_RECEIVE_BYTES);
    expect(limits.MAX_DOCUMENT_REQUEST_BYTES).toBeLessThan(limits.MAX_GRPC_RECEIVE_BYTES);
    expect(limits.MAX_RESPONSE_BYTES).toBeLessThan(limits.MAX_FRAME_BYTES);
    // The genesis record is nonce, manifest and the head and tag of its seal.
    expect(limits.MAX_MANIFEST_BYTES + 32 + 58).toBeLessThan(limits.MAX_RECORD_BYTES);
    expect(limits.MAX_POLICY_BYTES + 58).toBeLessThan(limits.MAX_RECORD_BYTES);
    expect(limits.MAX_POLICY_REQUEST_BYTES).toBeLessThan(limits.MAX_GRPC_RECEIVE_BYTES);
    expect(limits.MAX_MANIFEST_BYTES).toBeLessThan(limits.MAX_DOCUMENT_REQUEST_BYTES);
  });
});
