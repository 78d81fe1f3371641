/** Chains that say nothing about anybody, each by its word (docs/spec/policy.md, "Callers"). */
import { createHash, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ChainBed, DAY_MS, ID, meshRoot, NOW, SVID } from '../support/chain-bed.ts';
import {
  CA_EXTENSIONS,
  hasOpenssl,
  KEYS,
  leafExtensions,
  OpensslAuthority,
  type CertificateOrder,
  type MadeCertificate,
} from '../support/openssl-chain.ts';

if (!hasOpenssl) process.stderr.write('SKIPPED: openssl is missing\n');

describe.skipIf(!hasOpenssl)('chains of openssl that say nothing', { timeout: 120_000 }, () => {
  let bed: ChainBed;
  beforeAll(() => {
    bed = new ChainBed();
  });
  afterAll(() => {
    bed.openssl.remove();
  });

  const fingerprint = ({ der }: MadeCertificate): string => {
    const spki = new X509Certificate(der).publicKey.export({ format: 'der', type: 'spki' });
    return createHash('sha256').update(spki).digest('hex');
  };

  it('no certificate, six, and twenty', () => {
    const leaf = bed.make({});
    expect(bed.identify([])).toBe('chain-length');
    for (const length of [6, 20]) {
      expect(bed.identify(Array.from({ length }, () => leaf))).toBe('chain-length');
    }
  });

  it('a chain of twenty authorities that is cut to five has no root', () => {
    const chain: MadeCertificate[] = [];
    for (let i = 0; i < 6; i += 1) {
      const issuer = chain[0] ?? bed.root;
      chain.unshift(i < 5 ? bed.authority({ issuer }) : bed.make({ issuer }));
    }
    expect(bed.identify(chain)).toBe('chain-length');
    expect(bed.identify(chain.slice(0, 5))).toBe('root');
  });

  describe('a certificate that holds another one as PEM, which OpenSSL would read in its place', () => {
    let strange: OpensslAuthority;
    beforeAll(() => {
      strange = new OpensslAuthority();
    });
    afterAll(() => {
      strange.remove();
    });

    /** A non-critical extension of somebody's own with a UTF8String in it. */
    const holding = ({ path }: MadeCertificate): string => {
      const pem = Buffer.from(`\n${readFileSync(`${path}.pem`, 'latin1').trim()}\n`, 'latin1');
      const length = pem.byteLength.toString(16).padStart(4, '0');
      return `1.2.3.4.5=DER:0c82${length}${pem.toString('hex')}`;
    };
    /** An authority of the attacker's with the root's own name. */
    const twin = (...extensions: string[]): MadeCertificate =>
      strange.make({ subject: '/O=mesh/CN=root', extensions: [...CA_EXTENSIONS, ...extensions] });

    it('a leaf', () => {
      const genuine = bed.make({ extensions: leafExtensions('URI:spiffe://example.org/nobody') });
      expect(bed.identify([genuine])).toBe('spiffe://example.org/nobody');
      const forged = strange.make({ issuer: twin(), extensions: [...SVID, holding(genuine)] });
      expect(new X509Certificate(forged.der).subjectAltName).toBe(
        'URI:spiffe://example.org/nobody',
      );
      expect(bed.identify([forged])).toBe('decode');
      expect(bed.identify([strange.make({ issuer: twin(), extensions: SVID })])).toBe('root');
    });

    it('an issuer', () => {
      const forged = twin(holding(bed.root));
      const leaf = strange.make({ issuer: forged, extensions: SVID });
      expect(bed.identify([leaf, forged])).toBe('decode');
      expect(bed.identify([leaf, twin()])).toBe('root');
    });

    it('a root of the policy', () => {
      const certificates = [Buffer.from(twin(holding(bed.root)).der).toString('hex')];
      expect(() => bed.roots({ roots: [{ name: 'corp', kind: 'x509', certificates }] })).toThrow(
        '/roots/0/certificates/0: decode',
      );
    });
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
        extensions: [`subjectAltName=URI:${ID}`, 'extendedKeyUsage=clientAuth,anyExtendedKeyUsage'],
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
    expect(bed.identify([bed.make(order)])).toBe(problem);
  });

  it('an unknown extension that is not critical says nothing', () => {
    expect(bed.identify([bed.make({ extensions: [...SVID, '1.2.3.4=DER:0500'] })])).toBe(ID);
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
    const between = bed.authority(order);
    expect(bed.identify([bed.make({ issuer: between }), between])).toBe(problem);
  });

  it('an authority without keyUsage is good, as RFC 5280 has it', () => {
    const between = bed.authority({ extensions: ['basicConstraints=critical,CA:true'] });
    expect(bed.identify([bed.make({ issuer: between }), between])).toBe(ID);
  });

  it('path lengths that are not kept', () => {
    const limit = (length: number) => [
      `basicConstraints=critical,CA:true,pathlen:${String(length)}`,
      'keyUsage=keyCertSign',
    ];
    const above = bed.authority({ extensions: limit(0) });
    const below = bed.authority({ issuer: above });
    expect(bed.identify([bed.make({ issuer: above }), above])).toBe(ID);
    expect(bed.identify([bed.make({ issuer: below }), below, above])).toBe('path-length');
    const roomy = bed.authority({ extensions: limit(1) });
    const fits = bed.authority({ issuer: roomy });
    expect(bed.identify([bed.make({ issuer: fits }), fits, roomy])).toBe(ID);
  });

  it('a root whose own path length is not kept', () => {
    const tight = bed.openssl.make({ extensions: ['basicConstraints=critical,CA:true,pathlen:0'] });
    const mesh = meshRoot(tight);
    const between = bed.authority({ issuer: tight });
    const leaf = bed.make({ issuer: between });
    expect(bed.identify([leaf, between], { roots: [mesh] })).toBe('path-length');
    expect(bed.identify([leaf, between, tight], { roots: [mesh] })).toBe('path-length');
    expect(bed.identify([bed.make({ issuer: tight })], { roots: [mesh] })).toBe(ID);
  });

  it('a chain in another order, with a gap, or with a stranger in it', () => {
    const first = bed.authority();
    const second = bed.authority({ issuer: first });
    const leaf = bed.make({ issuer: second });
    expect(bed.identify([first, second, leaf])).toBe('root');
    expect(bed.identify([leaf, first, second])).toBe('root');
    expect(bed.identify([leaf, first])).toBe('signature');
    expect(bed.identify([leaf, second])).toBe('root');
    expect(bed.identify([leaf, bed.corp])).toBe('signature');
    expect(bed.identify([leaf, second, second, first])).toBe('signature');
  });

  it('a root of the same name with another key', () => {
    const forged = bed.openssl.make({ subject: '/O=mesh/CN=root', extensions: CA_EXTENSIONS });
    const leaf = bed.make({ issuer: forged });
    expect(bed.identify([leaf])).toBe('root');
    expect(bed.identify([leaf, forged])).toBe('root');
  });

  it('an expired one, and one of tomorrow, by the time that is given', () => {
    const chain = [bed.make({}).der];
    const own = bed.roots();
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
    const between = bed.authority();
    const chain = [bed.make({ issuer: between }), between];
    for (const one of [...chain, bed.root]) {
      expect(bed.identify(chain, { deniedKeys: [fingerprint(one)] })).toBe('denied-key');
    }
    expect(bed.identify(chain, { deniedKeys: [fingerprint(bed.corp)] })).toBe(ID);
  });

  it('a denied key in a new certificate', () => {
    const leaf = bed.make({});
    const renewed = bed.make({ keyOf: leaf });
    expect(bed.identify([renewed], { deniedKeys: [fingerprint(leaf)] })).toBe('denied-key');
  });

  it('a subject of several values in one RDN, and an empty one', () => {
    const extensions = leafExtensions();
    const multi = bed.make({
      issuer: bed.corp,
      subject: '/O=a/CN=b+OU=c',
      multiValued: true,
      extensions,
    });
    expect(bed.identify([multi])).toBe('subject');
    expect(bed.identify([bed.make({ issuer: bed.corp, subject: '/', extensions })])).toBe(
      'subject',
    );
  });

  it('every certificate that is cut, and every bit that is turned', () => {
    const { der } = bed.make({});
    const own = bed.roots();
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
