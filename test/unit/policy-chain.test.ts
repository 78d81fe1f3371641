/** From certificates to who that is, on chains that openssl made (docs/spec/policy.md, "Callers"). */
import { createHash, X509Certificate } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { toHex } from '../../enclave/wire/bytes.ts';
import { CallerRoots } from '../../enclave/wire/policy/chain.ts';
import type { SignedJsonObject } from '../../enclave/wire/signed-json.ts';
import { TEST_AUTHORITY } from '../support/fakes/callers.ts';
import {
  CA_EXTENSIONS,
  hasOpenssl,
  KEYS,
  leafExtensions,
  OpensslAuthority,
  type CertificateOrder,
  type MadeCertificate,
} from '../support/openssl-chain.ts';
import { parsedPolicy, policySource, testAdmin } from '../support/policies.ts';

const ADMINS = [testAdmin('alice'), testAdmin('bob')];
const ID = 'spiffe://example.org/ci';
const SVID = leafExtensions(`URI:${ID}`);
const DAY_MS = 86_400_000;
/** While the certificates that are made here are good. */
const NOW = Date.now() + DAY_MS;

if (!hasOpenssl) process.stderr.write('SKIPPED: openssl is missing\n');

describe.skipIf(!hasOpenssl)('chains of openssl', { timeout: 120_000 }, () => {
  let openssl: OpensslAuthority;
  let root: MadeCertificate;
  /** Plain X.509. */
  let corp: MadeCertificate;

  beforeAll(() => {
    openssl = new OpensslAuthority();
    root = openssl.make({ subject: '/O=mesh/CN=root', extensions: CA_EXTENSIONS });
    corp = openssl.make({ subject: '/O=corp/CN=root', extensions: CA_EXTENSIONS });
  });
  afterAll(() => {
    openssl.remove();
  });

  /** The roots of a policy with both. */
  function roots(change: SignedJsonObject = {}): CallerRoots {
    const certificates = (made: MadeCertificate) => [toHex(made.der)];
    return new CallerRoots(
      parsedPolicy(
        policySource(ADMINS, {
          roots: [
            {
              name: 'mesh',
              kind: 'spiffe',
              trustDomain: 'example.org',
              certificates: certificates(root),
            },
            { name: 'corp', kind: 'x509', certificates: certificates(corp) },
          ],
          ...change,
        }),
      ),
    );
  }

  function identify(chain: readonly MadeCertificate[], change: SignedJsonObject = {}): string {
    const found = roots(change).identify(
      chain.map(({ der }) => der),
      NOW,
    );
    return 'problem' in found ? found.problem : found.identity;
  }

  const make = (order: Partial<CertificateOrder>): MadeCertificate =>
    openssl.make({ issuer: root, extensions: SVID, ...order });
  const authority = (order: Partial<CertificateOrder> = {}): MadeCertificate =>
    make({ extensions: CA_EXTENSIONS, ...order });

  describe('that say who it is', () => {
    it('one certificate under a root', () => {
      expect(identify([make({})])).toBe(ID);
    });

    it('with the root at its end, and with authorities between', () => {
      const [first] = [authority()];
      const second = authority({ issuer: first });
      const leaf = make({ issuer: second });
      expect(identify([leaf, second, first])).toBe(ID);
      expect(identify([leaf, second, first, root])).toBe(ID);
    });

    it.each(['P-256', 'P-384', 'P-521', 'Ed25519', 'RSA-2048', 'RSA-3072', 'RSA, e = 3'] as const)(
      'a root, an authority and a leaf of %s',
      (name) => {
        const key = KEYS[name];
        const own = openssl.make({ key, extensions: CA_EXTENSIONS });
        const between = openssl.make({ key, issuer: own, extensions: CA_EXTENSIONS });
        const leaf = openssl.make({ key, issuer: between, extensions: SVID });
        const mesh = {
          name: 'mesh',
          kind: 'spiffe',
          trustDomain: 'example.org',
          certificates: [toHex(own.der)],
        };
        expect(identify([leaf, between], { roots: [mesh] })).toBe(ID);
      },
    );

    it('signed with RSASSA-PSS and SHA-384', () => {
      const own = openssl.make({ key: KEYS['RSA-2048'], extensions: CA_EXTENSIONS });
      const signature = [
        '-sha384',
        '-sigopt',
        'rsa_padding_mode:pss',
        '-sigopt',
        'rsa_pss_saltlen:48',
      ];
      const leaf = make({ issuer: own, signature });
      const mesh = {
        name: 'mesh',
        kind: 'spiffe',
        trustDomain: 'example.org',
        certificates: [toHex(own.der)],
      };
      expect(identify([leaf], { roots: [mesh] })).toBe(ID);
    });

    it('a subject, RDN by RDN, in the certificate’s order', () => {
      const leaf = make({
        issuer: corp,
        subject: '/C=CH/O=Example, Inc/OU=Bau=1/CN=zürich "a"',
        extensions: leafExtensions(),
      });
      expect(identify([leaf])).toBe(
        'x509:corp:["C=CH","O=Example, Inc","OU=Bau=1","CN=zürich \\"a\\""]',
      );
    });

    it('by the root of the chain and not by what the leaf holds', () => {
      const leaf = make({ issuer: corp, subject: '/CN=ci' });
      expect(identify([leaf])).toBe('x509:corp:["CN=ci"]');
    });

    it('says how long: the narrowest of all validities', () => {
      const leaf = make({});
      const found = roots().identify([leaf.der], NOW);
      const native = new X509Certificate(leaf.der);
      expect(found).toMatchObject({
        notBeforeMs: native.validFromDate.getTime(),
        notAfterMs: Math.min(
          native.validToDate.getTime(),
          new X509Certificate(root.der).validToDate.getTime(),
        ),
      });
    });

    it('a named key, whoever issued its certificate and whenever', () => {
      const stranger = openssl.make({ extensions: ['basicConstraints=CA:false'] });
      const spki = new X509Certificate(stranger.der).publicKey.export({
        format: 'der',
        type: 'spki',
      });
      const publicKey = createHash('sha256').update(spki).digest('hex');
      const named = { callers: [{ name: 'ci', kind: 'key', publicKey }] };
      expect(identify([stranger], named)).toBe(`key:${publicKey}`);
      const later = roots(named).identify([stranger.der], NOW + 100 * DAY_MS);
      expect(later).toMatchObject({ identity: `key:${publicKey}` });
      expect(identify([stranger], { ...named, deniedKeys: [publicKey] })).toBe('denied-key');
      expect(identify([stranger])).toBe('root');
    });
  });

  describe('that say nothing', () => {
    const fingerprint = ({ der }: MadeCertificate): string => {
      const spki = new X509Certificate(der).publicKey.export({ format: 'der', type: 'spki' });
      return createHash('sha256').update(spki).digest('hex');
    };

    it('no certificate, six, and twenty', () => {
      const leaf = make({});
      expect(identify([])).toBe('chain-length');
      for (const length of [6, 20]) {
        expect(identify(Array.from({ length }, () => leaf))).toBe('chain-length');
      }
    });

    it('a chain of twenty authorities that is cut to five has no root', () => {
      const chain: MadeCertificate[] = [];
      for (let i = 0; i < 6; i += 1) {
        const issuer = chain[0] ?? root;
        chain.unshift(i < 5 ? authority({ issuer }) : make({ issuer }));
      }
      expect(identify(chain)).toBe('chain-length');
      expect(identify(chain.slice(0, 5))).toBe('root');
    });

    const leaves: readonly (readonly [string, Partial<CertificateOrder>, string])[] = [
      [
        'another trust domain',
        { extensions: leafExtensions('URI:spiffe://example.com/ci') },
        'spiffe-id',
      ],
      ['a subdomain', { extensions: leafExtensions('URI:spiffe://a.example.org/ci') }, 'spiffe-id'],
      ['no SPIFFE ID', { extensions: leafExtensions('DNS:example.org') }, 'spiffe-id'],
      ['no alternative name', { extensions: leafExtensions() }, 'spiffe-id'],
      [
        'two URIs',
        { extensions: leafExtensions(`URI:${ID}`, 'URI:https://example.org/') },
        'spiffe-id',
      ],
      ['the same URI twice', { extensions: leafExtensions(`URI:${ID}`, `URI:${ID}`) }, 'spiffe-id'],
      [
        'a trust domain alone',
        { extensions: leafExtensions('URI:spiffe://example.org') },
        'spiffe-id',
      ],
      ['upper case', { extensions: leafExtensions('URI:spiffe://EXAMPLE.org/ci') }, 'spiffe-id'],
      ['a port', { extensions: leafExtensions('URI:spiffe://example.org:443/ci') }, 'spiffe-id'],
      [
        'dots in the path',
        { extensions: leafExtensions('URI:spiffe://example.org/a/../ci') },
        'spiffe-id',
      ],
      [
        'a percent sign',
        { extensions: leafExtensions('URI:spiffe://example.org/c%69') },
        'spiffe-id',
      ],
      [
        'a server’s certificate',
        { extensions: [`subjectAltName=URI:${ID}`, 'extendedKeyUsage=serverAuth'] },
        'extended-key-usage',
      ],
      [
        'no extended key usage',
        { extensions: [`subjectAltName=URI:${ID}`, 'keyUsage=digitalSignature'] },
        'extended-key-usage',
      ],
      [
        'any extended key usage',
        {
          extensions: [
            `subjectAltName=URI:${ID}`,
            'extendedKeyUsage=clientAuth,anyExtendedKeyUsage',
          ],
        },
        'extended-key-usage',
      ],
      [
        'a leaf that is an authority',
        {
          extensions: [...CA_EXTENSIONS, `subjectAltName=URI:${ID}`, 'extendedKeyUsage=clientAuth'],
        },
        'ca',
      ],
      [
        'a key for encipherment',
        {
          extensions: [
            ...SVID.filter((line) => !line.startsWith('keyUsage')),
            'keyUsage=keyEncipherment',
          ],
        },
        'key-usage',
      ],
      [
        'a leaf that may sign certificates',
        {
          extensions: [
            ...SVID.filter((line) => !line.startsWith('keyUsage')),
            'keyUsage=digitalSignature,keyCertSign',
          ],
        },
        'key-usage',
      ],
      [
        'an unknown critical extension',
        { extensions: [...SVID, '1.2.3.4=critical,DER:0500'] },
        'extension',
      ],
      [
        'critical policies',
        { extensions: [...SVID, 'certificatePolicies=critical,1.2.3.4'] },
        'extension',
      ],
      ['RSA of 1,024 bits', { key: KEYS['RSA-1024'] }, 'key'],
      ['RSA of 2,047 bits', { key: KEYS['RSA-2047'] }, 'key'],
      ['RSA with a public exponent of 33 bits', { key: KEYS['RSA, e = 2^32 + 1'] }, 'key'],
      ['a curve of nobody', { key: KEYS.secp256k1 }, 'key'],
      ['Ed448', { key: KEYS.Ed448 }, 'key'],
      ['a key for RSASSA-PSS only', { key: KEYS['RSA-PSS'] }, 'key'],
      ['SHA-1', { signature: ['-sha1'] }, 'root'],
      ['SHA-224', { signature: ['-sha224'] }, 'root'],
    ];
    it.each(leaves)('%s', (_name, order, problem) => {
      expect(identify([make(order)])).toBe(problem);
    });

    it('an unknown extension that is not critical says nothing', () => {
      expect(identify([make({ extensions: [...SVID, '1.2.3.4=DER:0500'] })])).toBe(ID);
    });

    const authorities: readonly (readonly [string, Partial<CertificateOrder>, string])[] = [
      ['that is none', { extensions: leafExtensions() }, 'ca'],
      ['without basicConstraints', { extensions: ['keyUsage=keyCertSign'] }, 'ca'],
      [
        'that may not sign certificates',
        { extensions: ['basicConstraints=critical,CA:true', 'keyUsage=digitalSignature,cRLSign'] },
        'key-usage',
      ],
      [
        'with name constraints',
        { extensions: [...CA_EXTENSIONS, 'nameConstraints=permitted;URI:example.org'] },
        'name-constraints',
      ],
      [
        'with critical name constraints',
        { extensions: [...CA_EXTENSIONS, 'nameConstraints=critical,permitted;URI:example.org'] },
        'name-constraints',
      ],
      [
        'with an unknown critical extension',
        { extensions: [...CA_EXTENSIONS, '1.2.3.4=critical,DER:0500'] },
        'extension',
      ],
      ['of RSA with 1,024 bits', { key: KEYS['RSA-1024'] }, 'key'],
    ];
    it.each(authorities)('an authority %s', (_name, order, problem) => {
      const between = authority(order);
      expect(identify([make({ issuer: between }), between])).toBe(problem);
    });

    it('an authority without keyUsage is good, as RFC 5280 has it', () => {
      const between = authority({ extensions: ['basicConstraints=critical,CA:true'] });
      expect(identify([make({ issuer: between }), between])).toBe(ID);
    });

    it('path lengths that are not kept', () => {
      const limit = (length: number) => [
        `basicConstraints=critical,CA:true,pathlen:${String(length)}`,
        'keyUsage=keyCertSign',
      ];
      const above = authority({ extensions: limit(0) });
      const below = authority({ issuer: above });
      expect(identify([make({ issuer: above }), above])).toBe(ID);
      expect(identify([make({ issuer: below }), below, above])).toBe('path-length');
      const roomy = authority({ extensions: limit(1) });
      const fits = authority({ issuer: roomy });
      expect(identify([make({ issuer: fits }), fits, roomy])).toBe(ID);
    });

    it('a root whose own path length is not kept', () => {
      const tight = openssl.make({ extensions: ['basicConstraints=critical,CA:true,pathlen:0'] });
      const mesh = {
        name: 'mesh',
        kind: 'spiffe',
        trustDomain: 'example.org',
        certificates: [toHex(tight.der)],
      };
      const between = authority({ issuer: tight });
      const leaf = make({ issuer: between });
      expect(identify([leaf, between], { roots: [mesh] })).toBe('path-length');
      expect(identify([leaf, between, tight], { roots: [mesh] })).toBe('path-length');
      expect(identify([make({ issuer: tight })], { roots: [mesh] })).toBe(ID);
    });

    it('a chain in another order, with a gap, or with a stranger in it', () => {
      const first = authority();
      const second = authority({ issuer: first });
      const leaf = make({ issuer: second });
      expect(identify([first, second, leaf])).toBe('root');
      expect(identify([leaf, first, second])).toBe('root');
      expect(identify([leaf, first])).toBe('signature');
      expect(identify([leaf, second])).toBe('root');
      expect(identify([leaf, corp])).toBe('signature');
      expect(identify([leaf, second, second, first])).toBe('signature');
    });

    it('a root of the same name with another key', () => {
      const forged = openssl.make({ subject: '/O=mesh/CN=root', extensions: CA_EXTENSIONS });
      const leaf = make({ issuer: forged });
      expect(identify([leaf])).toBe('root');
      expect(identify([leaf, forged])).toBe('root');
    });

    it('an expired one, and one of tomorrow, by the time that is given', () => {
      const chain = [make({}).der];
      const own = roots();
      expect(own.identify(chain, NOW)).toMatchObject({ identity: ID });
      expect(own.identify(chain, NOW + 11 * DAY_MS)).toEqual({ problem: 'validity' });
      expect(own.identify(chain, NOW - 2 * DAY_MS)).toEqual({ problem: 'validity' });
      const { notBeforeMs, notAfterMs } = own.identify(chain, NOW) as {
        notBeforeMs: number;
        notAfterMs: number;
      };
      expect(own.identify(chain, notBeforeMs)).toMatchObject({ identity: ID });
      expect(own.identify(chain, notBeforeMs - 1)).toEqual({ problem: 'validity' });
      expect(own.identify(chain, notAfterMs)).toMatchObject({ identity: ID });
      expect(own.identify(chain, notAfterMs + 1)).toEqual({ problem: 'validity' });
    });

    it('a denied key, wherever in the chain it is', () => {
      const between = authority();
      const chain = [make({ issuer: between }), between];
      for (const one of [...chain, root]) {
        expect(identify(chain, { deniedKeys: [fingerprint(one)] })).toBe('denied-key');
      }
      expect(identify(chain, { deniedKeys: [fingerprint(corp)] })).toBe(ID);
    });

    it('a denied key in a new certificate', () => {
      const leaf = make({});
      const renewed = make({ keyOf: leaf });
      expect(identify([renewed], { deniedKeys: [fingerprint(leaf)] })).toBe('denied-key');
    });

    it('a subject of several values in one RDN, and an empty one', () => {
      const extensions = leafExtensions();
      const multi = make({
        issuer: corp,
        subject: '/O=a/CN=b+OU=c',
        multiValued: true,
        extensions,
      });
      expect(identify([multi])).toBe('subject');
      expect(identify([make({ issuer: corp, subject: '/', extensions })])).toBe('subject');
    });

    it('every certificate that is cut, and every bit that is turned', () => {
      const { der } = make({});
      const own = roots();
      for (let length = 0; length < der.byteLength; length += 7) {
        expect(own.identify([der.subarray(0, length)], NOW)).toEqual({ problem: 'decode' });
      }
      for (let bit = 0; bit < 8 * der.byteLength; bit += 5) {
        const turned = Uint8Array.from(der);
        turned[bit >> 3] = (turned[bit >> 3] ?? 0) ^ (1 << (bit & 7));
        expect(own.identify([turned], NOW), `bit ${String(bit)}`).toHaveProperty('problem');
      }
      expect(own.identify([Uint8Array.of(...der, 0)], NOW)).toEqual({ problem: 'decode' });
      expect(own.identify([new Uint8Array(16 * 1024 + 1)], NOW)).toEqual({ problem: 'decode' });
    });
  });

  describe('roots', () => {
    const withRoot = (certificate: MadeCertificate) => () =>
      roots({
        roots: [
          { name: 'corp', kind: 'x509', certificates: [toHex(root.der), toHex(certificate.der)] },
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
      const made = openssl.make({ extensions: CA_EXTENSIONS, ...order });
      expect(withRoot(made)).toThrow(`/roots/0/certificates/1: ${problem}`);
    });

    it('bytes that are no certificate are refused with their place', () => {
      const certificates = ['30820001'];
      expect(() => roots({ roots: [{ name: 'corp', kind: 'x509', certificates }] })).toThrow(
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
      policySource(ADMINS, {
        roots: [{ name: 'corp', kind: 'x509', certificates: [toHex(spoilt)] }],
      }),
    );
    expect(() => new CallerRoots(policy)).toThrow('/roots/0/certificates/0: key');
  });
});
