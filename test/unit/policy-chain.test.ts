/** From certificates to who that is, on chains that openssl made (docs/spec/policy.md, "Callers"). */
import { createHash, X509Certificate } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { toHex } from '../../enclave/wire/bytes.ts';
import { CallerRoots } from '../../enclave/wire/policy/chain.ts';
import { ChainBed, DAY_MS, ID, meshRoot, NOW, SVID } from '../support/chain-bed.ts';
import { TEST_AUTHORITY } from '../support/fakes/callers.ts';
import {
  CA_EXTENSIONS,
  hasOpenssl,
  KEYS,
  leafExtensions,
  type CertificateOrder,
  type MadeCertificate,
} from '../support/openssl-chain.ts';
import { parsedPolicy, policySource, testAdmin } from '../support/policies.ts';

if (!hasOpenssl) process.stderr.write('SKIPPED: openssl is missing\n');

describe.skipIf(!hasOpenssl)('chains of openssl', { timeout: 120_000 }, () => {
  let bed: ChainBed;
  beforeAll(() => {
    bed = new ChainBed();
  });
  afterAll(() => {
    bed.openssl.remove();
  });

  describe('that say who it is', () => {
    it('one certificate under a root', () => {
      expect(bed.identify([bed.make({})])).toBe(ID);
    });

    it('with the root at its end, and with authorities between', () => {
      const [first] = [bed.authority()];
      const second = bed.authority({ issuer: first });
      const leaf = bed.make({ issuer: second });
      expect(bed.identify([leaf, second, first])).toBe(ID);
      expect(bed.identify([leaf, second, first, bed.root])).toBe(ID);
    });

    it.each(['P-256', 'P-384', 'P-521', 'Ed25519', 'RSA-2048', 'RSA-3072', 'RSA, e = 3'] as const)(
      'a root, an authority and a leaf of %s',
      (name) => {
        const key = KEYS[name];
        const own = bed.openssl.make({ key, extensions: CA_EXTENSIONS });
        const between = bed.openssl.make({ key, issuer: own, extensions: CA_EXTENSIONS });
        const leaf = bed.openssl.make({ key, issuer: between, extensions: SVID });
        const mesh = meshRoot(own);
        expect(bed.identify([leaf, between], { roots: [mesh] })).toBe(ID);
      },
    );

    it('signed with RSASSA-PSS and SHA-384', () => {
      const own = bed.openssl.make({ key: KEYS['RSA-2048'], extensions: CA_EXTENSIONS });
      const signature = [
        '-sha384',
        '-sigopt',
        'rsa_padding_mode:pss',
        '-sigopt',
        'rsa_pss_saltlen:48',
      ];
      const leaf = bed.make({ issuer: own, signature });
      const mesh = meshRoot(own);
      expect(bed.identify([leaf], { roots: [mesh] })).toBe(ID);
    });

    it('a subject, RDN by RDN, in the certificate’s order', () => {
      const leaf = bed.make({
        issuer: bed.corp,
        subject: '/C=CH/O=Example, Inc/OU=Bau=1/CN=zürich "a"',
        extensions: leafExtensions(),
      });
      expect(bed.identify([leaf])).toBe(
        'x509:corp:["C=CH","O=Example, Inc","OU=Bau=1","CN=zürich \\"a\\""]',
      );
    });

    it('by the root of the chain and not by what the leaf holds', () => {
      const leaf = bed.make({ issuer: bed.corp, subject: '/CN=ci' });
      expect(bed.identify([leaf])).toBe('x509:corp:["CN=ci"]');
    });

    it('says how long: the narrowest of all validities', () => {
      const leaf = bed.make({});
      const found = bed.roots().identify([leaf.der], NOW);
      const native = new X509Certificate(leaf.der);
      expect(found).toMatchObject({
        notBeforeMs: native.validFromDate.getTime(),
        notAfterMs: Math.min(
          native.validToDate.getTime(),
          new X509Certificate(bed.root.der).validToDate.getTime(),
        ),
      });
    });

    it('a named key, whoever issued its certificate and whenever', () => {
      const stranger = bed.openssl.make({ extensions: ['basicConstraints=CA:false'] });
      const spki = new X509Certificate(stranger.der).publicKey.export({
        format: 'der',
        type: 'spki',
      });
      const publicKey = createHash('sha256').update(spki).digest('hex');
      const named = { callers: [{ name: 'ci', kind: 'key', publicKey }] };
      expect(bed.identify([stranger], named)).toBe(`key:${publicKey}`);
      const later = bed.roots(named).identify([stranger.der], NOW + 100 * DAY_MS);
      expect(later).toMatchObject({ identity: `key:${publicKey}` });
      expect(bed.identify([stranger], { ...named, deniedKeys: [publicKey] })).toBe('denied-key');
      expect(bed.identify([stranger])).toBe('root');
    });
  });

  describe('roots', () => {
    const withRoot = (certificate: MadeCertificate) => () =>
      bed.roots({
        roots: [
          {
            name: 'corp',
            kind: 'x509',
            certificates: [toHex(bed.root.der), toHex(certificate.der)],
          },
        ],
      });

    it.each<readonly [string, Partial<CertificateOrder>, string]>([
      ['that is no authority', { extensions: leafExtensions() }, 'ca'],
      [
        'with name constraints',
        { extensions: [...CA_EXTENSIONS, 'nameConstraints=permitted;DNS:a'] },
        'name-constraints',
      ],
      ['with a small key', { key: KEYS['RSA-1024'] }, 'key'],
      ['signed with SHA-1', { signature: ['-sha1'] }, 'algorithm'],
    ])('one %s is refused with its place', (_name, order, problem) => {
      const made = bed.openssl.make({ extensions: CA_EXTENSIONS, ...order });
      expect(withRoot(made)).toThrow(`/roots/0/certificates/1: ${problem}`);
    });

    it('bytes that are no certificate are refused with their place', () => {
      const certificates = ['30820001'];
      expect(() => bed.roots({ roots: [{ name: 'corp', kind: 'x509', certificates }] })).toThrow(
        '/roots/0/certificates/0: decode',
      );
    });
  });
});

describe('a root whose key is no point of its curve', () => {
  it('is refused with its place', () => {
    const der = TEST_AUTHORITY.certificate;
    const spki = new X509Certificate(der).publicKey.export({ format: 'der', type: 'spki' });
    const at = Buffer.from(der).indexOf(spki) + spki.byteLength - 1;
    const spoilt = Uint8Array.from(der);
    spoilt[at] = (spoilt[at] ?? 0) ^ 1;
    const policy = parsedPolicy(
      policySource([testAdmin('alice'), testAdmin('bob')], {
        roots: [{ name: 'corp', kind: 'x509', certificates: [toHex(spoilt)] }],
      }),
    );
    expect(() => new CallerRoots(policy)).toThrow('/roots/0/certificates/0: key');
  });
});
