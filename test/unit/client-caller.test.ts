import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { beforeAll, describe, expect, it } from 'vitest';
import { ALGORITHMS, type AlgorithmName } from '../../enclave/wire/algorithm.ts';
import { callerIdentity } from '../../src/client/session/caller.ts';
import { RequestError } from '../../src/client/sdk/errors.ts';
import { encodePem } from '../../src/pkix/pem.ts';
import { spiffeId, TEST_AUTHORITY } from '../support/fakes/callers.ts';
import { SessionBed } from '../support/session-bed.ts';

interface Pair {
  readonly publicKey: KeyObject;
  readonly privateKey: KeyObject;
}

const ec = (namedCurve: string): Pair => generateKeyPairSync('ec', { namedCurve });
const rsa = (modulusLength: number): Pair => generateKeyPairSync('rsa', { modulusLength });

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);
const certificateOf = ({ publicKey }: Pair): Uint8Array =>
  TEST_AUTHORITY.client(spiffeId('ci'), {}, publicKey);
const pem = (...certificates: readonly Uint8Array[]): Uint8Array =>
  utf8(certificates.map((one) => encodePem('CERTIFICATE', one)).join(''));
const keyPem = (
  { privateKey }: Pair,
  format: { type: 'pkcs8' | 'sec1'; cipher?: string; passphrase?: string } = { type: 'pkcs8' },
): Uint8Array => utf8(privateKey.export({ format: 'pem', ...format }) as string);

describe('an identity', () => {
  let bed: SessionBed;
  beforeAll(async () => {
    bed = await SessionBed.start();
  });

  it.each([
    ['ES256', ec('P-256')],
    ['ES384', ec('P-384')],
    ['ES512', ec('P-521')],
    ['EdDSA', generateKeyPairSync('ed25519')],
    ['PS256', rsa(2048)],
  ] as const satisfies readonly (readonly [AlgorithmName, Pair])[])(
    'with a key for %s opens a session',
    async (name, pair) => {
      bed.identity = callerIdentity(pem(certificateOf(pair)), keyPem(pair));
      expect(bed.identity.algorithm).toBe(ALGORITHMS[name].wire);
      expect((await bed.open()).facts.principal).toBe(spiffeId('ci'));
    },
  );

  it('takes a key as SEC 1, and certificates above the leaf, in their order', () => {
    const pair = ec('P-256');
    const leaf = certificateOf(pair);
    const { certificates } = callerIdentity(
      pem(leaf, TEST_AUTHORITY.certificate),
      keyPem(pair, { type: 'sec1' }),
    );
    expect(certificates).toEqual([leaf, TEST_AUTHORITY.certificate]);
  });
});

describe('an identity is refused', () => {
  const pair = ec('P-256');
  const leaf = certificateOf(pair);
  const encrypted = { type: 'pkcs8', cipher: 'aes-256-cbc', passphrase: 'secret' } as const;

  it.each([
    ['without a certificate', 'cert', new Uint8Array(0), keyPem(pair)],
    ['that is DER', 'cert', leaf, keyPem(pair)],
    ['with something between the certificates', 'cert', utf8('subject=x'), keyPem(pair)],
    ['with six certificates', 'cert', pem(...Array<Uint8Array>(6).fill(leaf)), keyPem(pair)],
    ['whose certificate is none', 'cert', pem(utf8('none')), keyPem(pair)],
    ['without a key', 'key', pem(leaf), new Uint8Array(0)],
    ['whose key needs a passphrase', 'key', pem(leaf), keyPem(pair, encrypted)],
    ['with the key of somebody else', 'key', pem(leaf), keyPem(ec('P-256'))],
    ['whose leaf does not come first', 'key', pem(TEST_AUTHORITY.certificate, leaf), keyPem(pair)],
    ['with secp256k1', 'key', pem(leaf), keyPem(ec('secp256k1'))],
    ['with RSA of 1,024 bits', 'key', pem(leaf), keyPem(rsa(1024))],
  ] as const)('%s', (_name, field, cert, key) => {
    let error: unknown;
    try {
      callerIdentity(cert, key);
    } catch (thrown) {
      error = thrown;
    }
    expect(error).toBeInstanceOf(RequestError);
    expect(error).toMatchObject({ reason: 'IDENTITY_UNUSABLE', facts: { field } });
  });
});
