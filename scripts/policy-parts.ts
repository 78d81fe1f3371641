// Policies for vectors: three admins, a caller of each kind, one ring.
import type { JsonObject } from './canonical-json.ts';
import { ecdsaKey, ed25519Key, hardwareKey } from './ssh-maker.ts';
import { fixedBytes, hex, sha256 } from './vector-file.ts';

export const DAY_MS = 86_400_000;
export const HEX_32 = 'ab'.repeat(32);

interface Admin {
  readonly [name: string]: string;
  readonly name: string;
  readonly key: string;
}

export const ADMINS: readonly [Admin, Admin, Admin] = [
  { name: 'alice', key: ed25519Key('alice').line },
  { name: 'bob', key: ecdsaKey('bob', 'nistp384').line },
  {
    name: 'carol',
    key: hardwareKey('carol', 'ed25519', { application: 'ssh:', flags: 1, counter: 1 }).line,
  },
];

export const ROOTS = [
  { name: 'mesh', kind: 'spiffe', trustDomain: 'example.org', certificates: ['3000'] },
  { name: 'corp', kind: 'x509', certificates: ['3001', '3002'] },
];

export const CI = { name: 'ci', kind: 'spiffe', id: 'spiffe://example.org/ci' };
export const BUILD = { name: 'build', kind: 'x509', root: 'corp', subject: ['O=corp', 'CN=build'] };
export const KEY = { name: 'named', kind: 'key', publicKey: hex(sha256(fixedBytes('spki', 91))) };
export const PEER = { name: 'local', kind: 'peer', socket: 'sealwright.sock' };
export const CALLERS = [CI, BUILD, KEY, PEER];

const WHY = 'the callers have no library';
export const RELEASE = {
  name: 'release',
  algorithm: 'ES256',
  residency: 'hsm',
  payload: { kind: 'digest' },
  lowestRank: 'mtls',
  acceptHostAsserted: WHY,
  callers: ['ci', 'build'],
};

export const policyOf = (changed: JsonObject = {}): JsonObject => ({
  v: 1,
  kind: 'policy',
  version: 1,
  notBefore: 1_700_000_000_000,
  notAfter: 1_700_000_000_000 + 7 * DAY_MS,
  admins: ADMINS,
  threshold: 2,
  roots: ROOTS,
  deniedKeys: [],
  callers: CALLERS,
  rings: [RELEASE],
  ...changed,
});
