// Published keys and their statements (docs/spec/key-statement.md).
import { hex, sha256 } from '../vector-file.ts';
import { HOUR_MS, NOW, canonical, changed, label, lp, u32, utf8, type Changes } from './bytes.ts';
import { ecKey, edKey, edSign, type EdKey } from './keys.ts';

/** One published key. */
export interface TestKey {
  readonly ring: string;
  readonly version: number;
  readonly kid: string;
  readonly alg: string;
  readonly publicKey: Uint8Array;
}

function ed25519Key(ring: string, version: number): TestKey {
  const { spki } = edKey(`${ring} ${String(version)}`);
  const x = Buffer.from(spki.subarray(-32)).toString('base64url');
  const thumb = `{"crv":"Ed25519","kty":"OKP","x":"${x}"}`;
  const kid = Buffer.from(sha256(utf8(thumb))).toString('base64url');
  return { ring, version, kid, alg: 'EdDSA', publicKey: spki };
}

function es384Key(ring: string, version: number): TestKey {
  const { spki } = ecKey(`${ring} ${String(version)}`);
  const [x, y] = [spki.subarray(-96, -48), spki.subarray(-48)].map((part) =>
    Buffer.from(part).toString('base64url'),
  );
  const thumb = `{"crv":"P-384","kty":"EC","x":"${String(x)}","y":"${String(y)}"}`;
  const kid = Buffer.from(sha256(utf8(thumb))).toString('base64url');
  return { ring, version, kid, alg: 'ES384', publicKey: spki };
}

/** The published keys, in the order of `keysDigest`. */
export const KEYS: readonly TestKey[] = [
  ed25519Key('builds', 1),
  ed25519Key('builds', 2),
  es384Key('release', 1),
];

export function keysDigest(keys: readonly TestKey[]): Uint8Array {
  const parts = keys.flatMap(({ ring, version, kid, publicKey }) => [
    lp(utf8(ring)),
    u32(version),
    lp(utf8(kid)),
    lp(publicKey),
  ]);
  return sha256(label('sealwright/keys-digest/v1'), ...parts);
}

/** What a statement must name of the evidence whose identity key signs it. */
export interface Issuer {
  readonly clusterId: Uint8Array;
  readonly evidenceDigest: Uint8Array;
  readonly identity: EdKey;
}

/** A key statement of the enclave of `evidence`. */
export function makeStatement(
  evidence: Issuer,
  key: TestKey,
  changes: Changes = {},
  signer: EdKey = evidence.identity,
): { readonly statement: string; readonly signature: string } {
  const statement = canonical(
    changed(
      {
        v: 1,
        clusterId: hex(evidence.clusterId),
        evidenceDigest: hex(evidence.evidenceDigest),
        ring: key.ring,
        version: key.version,
        kid: key.kid,
        alg: key.alg,
        publicKey: hex(key.publicKey),
        residency: 'hsm',
        scope: { payload: 'message', lowestRank: 'session', hostAsserted: false },
        state: 'active',
        notAfter: NOW - 60_000 + HOUR_MS,
      },
      changes,
    ),
  );
  const message = Buffer.concat([label('sealwright/key-statement/v1'), utf8(statement)]);
  return { statement, signature: hex(edSign(signer, message)) };
}
