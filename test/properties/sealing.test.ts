import fc from 'fast-check';
import { expect, test } from 'vitest';
import { derToP1363, p1363ToDer } from '../../enclave/core/ecdsa-form.ts';
import { seal, sealedAad, SealError, unseal, type RecordName } from '../../enclave/core/sealing.ts';
import { toHex } from '../../enclave/wire/bytes.ts';
import { SeededEntropy } from '../support/fakes/entropy.ts';
import { runs } from '../support/runs.ts';
import { thrown } from '../support/vectors.ts';

const bytes32 = fc.uint8Array({ minLength: 32, maxLength: 32 });
const name: fc.Arbitrary<RecordName> = fc.record({
  type: fc.string({ maxLength: 8 }),
  id: fc.string({ maxLength: 8 }),
  version: fc.bigInt({ min: 1n, max: (1n << 64n) - 1n }),
});

test('two names never share their authenticated data', () => {
  fc.assert(
    fc.property(bytes32, name, name, (cluster, one, two) => {
      const same = one.type === two.type && one.id === two.id && one.version === two.version;
      const equal = toHex(sealedAad(cluster, one)) === toHex(sealedAad(cluster, two));
      expect(equal).toBe(same);
    }),
    runs(500),
  );
});

test('a record opens under its key and name, and under no other', () => {
  fc.assert(
    fc.property(
      fc.tuple(bytes32, bytes32, name, name, fc.uint8Array({ maxLength: 100 }), fc.string()),
      ([key, cluster, own, other, plaintext, seed]) => {
        const sealed = seal(key, cluster, own, plaintext, new SeededEntropy(seed));
        expect(unseal(key, cluster, own, sealed)).toEqual(plaintext);
        if (toHex(sealedAad(cluster, own)) !== toHex(sealedAad(cluster, other))) {
          expect(() => unseal(key, cluster, other, sealed)).toThrow(SealError);
        }
        if (toHex(key) !== toHex(cluster)) {
          expect(() => unseal(cluster, cluster, own, sealed)).toThrow(SealError);
          expect(() => unseal(key, key, own, sealed)).toThrow(SealError);
        }
      },
    ),
    runs(200),
  );
});

test('any bytes open as nothing', () => {
  fc.assert(
    fc.property(bytes32, name, fc.uint8Array({ maxLength: 120 }), (key, own, sealed) => {
      expect(() => unseal(key, key, own, sealed)).toThrow(SealError);
    }),
    runs(500),
  );
});

test.each([32, 48, 66])('the two forms of a signature of 2 × %d bytes are one', (half) => {
  const coordinates = fc.uint8Array({ minLength: 2 * half, maxLength: 2 * half });
  // Leading zero bytes are what conversions get wrong.
  const padded = fc.tuple(coordinates, fc.nat(half - 1), fc.nat(half - 1)).map(([all, r, s]) => {
    const copy = Uint8Array.from(all);
    copy.fill(0, 0, r);
    copy.fill(0, half, half + s);
    return copy;
  });
  fc.assert(
    fc.property(padded, (signature) => {
      expect(toHex(derToP1363(p1363ToDer(signature), half))).toBe(toHex(signature));
    }),
    runs(500),
  );
});

test('any bytes are one signature in DER or none', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 80 }), (der) => {
      const error = thrown(() => {
        expect(toHex(p1363ToDer(derToP1363(der, 32)))).toBe(toHex(der));
      });
      if (error !== undefined) expect(error).toBeInstanceOf(RangeError);
    }),
    runs(1000),
  );
});
