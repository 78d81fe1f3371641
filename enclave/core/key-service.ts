/** Public keys, each with the statement that vouches for it. */
import {
  type Key,
  GetKeyRequest,
  GetKeyResponse,
  ListKeysRequest,
  ListKeysResponse,
  type Algorithm,
  type CallerRank,
  type KeyState as WireKeyState,
} from '../wire/gen/sealwright/v1/keys.ts';
import { ALGORITHMS } from '../wire/algorithm.ts';
import { Refusal } from '../wire/error-code.ts';
import { PAYLOAD_KINDS, rankNumber } from '../wire/policy/ring.ts';
import type { Cluster } from './cluster.ts';
import type { EvidenceIssuer } from './evidence.ts';
import type { KeyRing, OpenKey } from './key-ring.ts';
import { keyStateNumber } from './key-state.ts';
import { decoded, findRing, RESIDENCY_NUMBERS } from './requests.ts';

export function getKey(cluster: Cluster, evidence: EvidenceIssuer, body: Uint8Array): Uint8Array {
  const request = decoded((input) => GetKeyRequest.decode(input), body);
  const ring = findRing(cluster, request.ring);
  const key =
    request.version === 0
      ? (ring.active ?? ring.keys.at(-1))
      : ring.keys.find((candidate) => candidate.record.version === request.version);
  if (key === undefined) {
    throw new Refusal('KEY_NOT_FOUND', { keyId: `${request.ring}/${String(request.version)}` });
  }
  return GetKeyResponse.encode({ key: wireKey(evidence, ring, key) }).finish();
}

export function listKeys(cluster: Cluster, evidence: EvidenceIssuer, body: Uint8Array): Uint8Array {
  decoded((input) => ListKeysRequest.decode(input), body);
  const rings = [...cluster.inForce.rings.values()].sort((a, b) =>
    a.scope.name < b.scope.name ? -1 : 1,
  );
  const keys = rings.flatMap((ring) => ring.keys.map((key) => wireKey(evidence, ring, key)));
  return ListKeysResponse.encode({ keys }).finish();
}

/** Published means: vouched for. The fields repeat the statement for people; clients believe the statement. */
function wireKey(evidence: EvidenceIssuer, ring: KeyRing, key: OpenKey): Key {
  const { scope } = ring;
  const vouched = evidence.keyStatement(ring, key);
  return {
    ring: scope.name,
    version: key.record.version,
    kid: key.kid,
    algorithm: ALGORITHMS[scope.algorithm].wire satisfies Algorithm,
    residency: RESIDENCY_NUMBERS[scope.residency],
    payloadKind: scope.payloadKind === PAYLOAD_KINDS[0] ? 1 : 2,
    lowestRank: rankNumber(scope.lowestRank) as CallerRank,
    state: keyStateNumber(key.record.state) as WireKeyState,
    publicKey: key.record.publicKey,
    createdAtUnixMs: BigInt(key.record.createdAtMs),
    keyStatement: vouched.statement,
    keyStatementSignature: vouched.signature,
  };
}
