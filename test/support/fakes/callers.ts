/** Callers of a test's cluster, with certificates of an authority of their own, and the admin who would approve. */
import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { toHex } from '../../../enclave/wire/bytes.ts';
import type { UntrustedCaller } from '../../../enclave/wire/gen/sealwright/enclave/v1/frame.ts';
import type { SignedJson, SignedJsonObject } from '../../../enclave/wire/signed-json.ts';
import { SshAdmin } from '../../../src/simulator/ssh-admin.ts';
import type { Name } from '../../../src/pkix/names.ts';
import { mintCertificate } from '../../../src/simulator/x509.ts';

const DAY_MS = 86_400_000;
/** Whatever a test's clock says. */
const VALIDITY = { notBefore: new Date(Date.UTC(2000, 0)), notAfter: new Date(Date.UTC(2049, 0)) };
const TRUST_DOMAIN = 'test.example';

/** A CA that mints certificates of callers. */
export class TestAuthority {
  readonly name: Name;
  readonly #key = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  /** DER. */
  readonly certificate: Uint8Array;

  constructor(commonName: string) {
    this.name = { organization: 'test', commonName };
    this.certificate = mintCertificate({
      ...VALIDITY,
      subject: this.name,
      publicKey: this.#key.publicKey,
      usage: { kind: 'authority', pathLength: 0 },
      issuer: { name: this.name, privateKey: this.#key.privateKey },
    });
  }

  /** A client certificate, DER. */
  client(uri: string, validity: Partial<typeof VALIDITY> = {}, key?: KeyObject): Uint8Array {
    return mintCertificate({
      ...VALIDITY,
      ...validity,
      subject: { organization: 'test', commonName: 'client' },
      publicKey: key ?? generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey,
      usage: { kind: 'client', names: [{ uri }] },
      issuer: { name: this.name, privateKey: this.#key.privateKey },
    });
  }
}

export const TEST_AUTHORITY = new TestAuthority('callers');
export const TEST_ADMIN = new SshAdmin('alice', generateKeyPairSync('ed25519').privateKey);

export const spiffeId = (name: string): string => `spiffe://${TRUST_DOMAIN}/${name}`;

/** As the host describes a caller with a client certificate. */
export function certified(...certificates: readonly Uint8Array[]): UntrustedCaller {
  return { rank: 3, certificates: [...certificates], socket: '' };
}

export const peer = (socket: string): UntrustedCaller => ({ rank: 4, certificates: [], socket });

/** `ci` of the policy. */
export const MTLS_CALLER = certified(TEST_AUTHORITY.client(spiffeId('ci')));
/** `deploy` of the policy. */
export const SECOND_CALLER = certified(TEST_AUTHORITY.client(spiffeId('deploy')));
/** With a good chain, and not in the policy. */
export const STRANGER = certified(TEST_AUTHORITY.client(spiffeId('stranger')));
/** `local` of the policy. */
export const PEER_CALLER = peer('local');
/** `neighbour` of the policy. */
export const SECOND_PEER = peer('neighbour');

export const CERTIFIED_CALLERS = ['ci', 'deploy'] as const;
export const PEER_CALLERS = ['local', 'neighbour'] as const;

/** A first policy with these rings; `change` replaces members. */
export function testPolicy(
  rings: readonly SignedJson[],
  nowMs: number,
  change: SignedJsonObject = {},
): SignedJsonObject {
  return {
    v: 1,
    kind: 'policy',
    version: 1,
    notBefore: nowMs - 30 * DAY_MS,
    notAfter: nowMs + 60 * DAY_MS,
    admins: [{ name: TEST_ADMIN.name, key: TEST_ADMIN.publicKey }],
    threshold: 1,
    ...(change['admins'] === undefined ? { noSpareAdmin: true } : {}),
    roots: [
      {
        name: 'callers',
        kind: 'spiffe',
        trustDomain: TRUST_DOMAIN,
        certificates: [toHex(TEST_AUTHORITY.certificate)],
      },
    ],
    deniedKeys: [],
    callers: [
      ...CERTIFIED_CALLERS.map((name) => ({ name, kind: 'spiffe', id: spiffeId(name) })),
      ...PEER_CALLERS.map((name) => ({ name, kind: 'peer', socket: name })),
    ],
    rings,
    ...change,
  };
}
