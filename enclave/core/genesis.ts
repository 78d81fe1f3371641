/**
 * Genesis in one step, provisioning `init-token` (docs/spec/genesis.md): SO PIN, user PIN, root key, log
 * key and all ring keys are born here, and the first index names them. Refusals come before the token
 * is touched; after that every failure halts.
 */
import { createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { TokenFailure, type Ports, type Token } from '../ports.ts';
import { toHex } from '../wire/bytes.ts';
import { Refusal } from '../wire/error-code.ts';
import {
  canonicalize,
  parseSignedJson,
  SignedJsonError,
  type SignedJsonObject,
} from '../wire/signed-json.ts';
import {
  encodeGenesisRecord,
  inParallel,
  INSTANCE_ID_BYTES,
  policyDigestOf,
  type Cluster,
  type GenesisRecord,
} from './cluster.ts';
import {
  clusterIdOf,
  genesisDigest,
  parseGenesisManifest,
  type GenesisManifest,
} from './genesis-manifest.ts';
import {
  birthLeaf,
  bootLeaf,
  ClusterLog,
  logOrigin,
  openLog,
  type OnLogFailure,
} from './cluster-log.ts';
import { bearKey, requireAttributes } from './key-birth.ts';
import { encodeKeyRecord, keyRecordId, rootSecretLabel } from './key-record.ts';
import { inForce } from './in-force.ts';
import { keyRing } from './key-ring.ts';
import { SecretPin } from './pin.ts';
import { bootKey, rootHmacInput, rootSealKey } from './sealing.ts';
import { SealedState, type RecordWrite } from './state.ts';
import { EMPTY_EDGE } from '../log/tree.ts';
import { encodeBootRecord } from './state-index.ts';

const BIRTHS_AT_ONCE = 4;
const GENERATION = 1;

/** Our tokens are known by this label before any PIN is. */
export const TOKEN_LABEL_PREFIX = 'sealwright-';

/** The manifest as it may be committed. Throws Refusal with the place of the first problem. */
export async function checkManifest(ports: Ports, bytes: Uint8Array): Promise<GenesisManifest> {
  let manifest: GenesisManifest;
  try {
    manifest = parseGenesisManifest(bytes);
  } catch (error) {
    if (!(error instanceof SignedJsonError)) throw error;
    throw new Refusal('MANIFEST_INVALID', { field: error.place, expected: error.message });
  }
  await requireEmptyLog(ports);
  const free = await candidateOf(ports);
  if (free === undefined) {
    throw new Refusal('TOKEN_UNAVAILABLE', { token: 'uninitialised' });
  }
  for (const ring of manifest.policy.rings) {
    const missing = ring.residency === 'hsm' ? free.missingMechanism(ring.algorithm) : undefined;
    if (missing !== undefined) {
      const token = `${free.info.manufacturer} ${free.info.model}`;
      throw new Refusal('MECHANISM_UNSUPPORTED', { ring: ring.name, mechanism: missing, token });
    }
  }
  return manifest;
}

/** A log that another cluster left takes no first leaf, and the token would be wiped by the time it says so. */
async function requireEmptyLog(ports: Ports): Promise<void> {
  let size: number;
  try {
    ({ size } = await ports.logStore.state());
  } catch (error) {
    throw error instanceof Refusal ? new Refusal('LOG_UNAVAILABLE') : error;
  }
  if (size > 0) throw new Refusal('GENESIS_NOT_ALLOWED', { actual: 'log not empty' });
}

/** Nothing was touched yet: a module that does not answer is no reason to halt. */
async function candidateOf(ports: Ports) {
  try {
    return await ports.tokens.candidate();
  } catch (error) {
    throw error instanceof TokenFailure ? new Refusal('TOKEN_UNAVAILABLE') : error;
  }
}

/** Touches the token. Every exception halts the enclave. */
export async function commitGenesis(
  ports: Ports,
  manifest: GenesisManifest,
  bytes: Uint8Array,
  onLogFailure: OnLogFailure,
): Promise<Cluster> {
  const { entropy } = ports;
  const platform = ports.attester.identity;
  const clusterNonce = entropy.bytes(32);
  const logKey = generateKeyPairSync('ed25519').privateKey;
  const genesis = { clusterNonce, manifest: bytes };
  const logPublicKey = rawEd25519(logKey);
  const clusterId = clusterIdOf(platform, genesisDigest(bytes), clusterNonce, logPublicKey);
  const soPin = SecretPin.draw(entropy);
  const userPin = SecretPin.draw(entropy);
  const info = await ports.tokens.initToken({
    label: `${TOKEN_LABEL_PREFIX}${manifest.name}`.slice(0, 32),
    soPin,
    userPin,
  });
  const token = await ports.tokens.open(info.serial, userPin);
  try {
    const born = { clusterId, logKey, soPin, userPin, token };
    return await firstState(ports, manifest, genesis, born, onLogFailure);
  } catch (error) {
    // A halted enclave must not stay logged in.
    await token.close().catch(() => undefined);
    throw error;
  }
}

interface Born {
  readonly clusterId: Uint8Array;
  readonly logKey: KeyObject;
  readonly soPin: SecretPin;
  readonly userPin: SecretPin;
  readonly token: Token;
}

/** Bears all keys on the open token and makes the first index durable. */
async function firstState(
  ports: Ports,
  manifest: GenesisManifest,
  genesis: GenesisRecord,
  { clusterId, logKey, soPin, userPin, token }: Born,
  onLogFailure: OnLogFailure,
): Promise<Cluster> {
  const { entropy } = ports;
  const platform = ports.attester.identity;
  const rootKey = entropy.bytes(32);
  const state = new SealedState({ ...ports, platform }, clusterId, rootKey);
  const instanceId = entropy.bytes(INSTANCE_ID_BYTES);
  const policyBytes = policyBytesOf(genesis.manifest);
  const births = await bearRings(ports, state, token, manifest);
  const bootEpoch = state.nextEpoch;
  const identity = {
    origin: logOrigin(platform.simulated, clusterId),
    privateKey: logKey,
    publicKey: rawEd25519(logKey),
  };
  const log = new ClusterLog(
    ports,
    instanceId,
    openLog(ports, state, identity, EMPTY_EDGE, onLogFailure),
  );
  const policyDigest = policyDigestOf(policyBytes);
  // The leaves are durable before the index that counts them is.
  await log.appendPatiently([
    {
      kind: 'genesis',
      clusterId: toHex(clusterId),
      genesisDigest: toHex(genesisDigest(genesis.manifest)),
      tokenSerial: token.info.serial,
    },
    {
      kind: 'policy',
      policyVersion: manifest.policy.version,
      policyDigest: toHex(policyDigest),
    },
    ...births.map(({ key, object }, i) =>
      birthLeaf(key, object, manifest.policy.rings[i]?.residency ?? ''),
    ),
    bootLeaf(ports, bootEpoch, manifest.policy.version),
  ]);
  const nowMs = ports.clock.wallMs();
  const fields = {
    instanceId,
    timeMarkMs: nowMs,
    policyVersion: manifest.policy.version,
    policyDigest,
    policyAppliedAtMs: nowMs,
    adminSequence: 0,
    svn: platform.svn,
    ...log.head(),
  };
  await state.change(fields, [
    ...(await rootRecords(ports, state, token, rootKey, userPin)),
    { type: 'genesis', id: '', plaintext: encodeGenesisRecord(genesis) },
    { type: 'policy', id: '', plaintext: policyBytes },
    { type: 'log-key', id: '', plaintext: logKey.export({ format: 'der', type: 'pkcs8' }) },
    { type: 'so-pin', id: '', plaintext: soPin.reveal() },
    ...births.map(({ record }): RecordWrite => ({
      type: 'key',
      id: keyRecordId(record.ring, record.version),
      plaintext: encodeKeyRecord(record),
    })),
  ]);
  const rings = manifest.policy.rings.map((scope, i) => {
    const birth = births[i];
    return [scope.name, keyRing(scope, birth === undefined ? [] : [birth.key])] as const;
  });
  return {
    state,
    token,
    inForce: inForce(manifest.policy, new Map(rings), nowMs),
    instanceId,
    bootEpoch,
    genesis,
    log,
    logOrigin: identity.origin,
    logKey: identity.publicKey,
  };
}

function bearRings(ports: Ports, state: SealedState, token: Token, manifest: GenesisManifest) {
  const context = {
    clusterId: state.clusterId,
    token,
    entropy: ports.entropy,
    keyTypeKey: state.keyOf('key'),
  };
  return inParallel(manifest.policy.rings, BIRTHS_AT_ONCE, (scope) =>
    bearKey(context, scope, { version: 1, epoch: state.nextEpoch, nowMs: ports.clock.wallMs() }),
  );
}

/** Boot and root record, each under its own key (PROTOCOLS §4). */
async function rootRecords(
  ports: Ports,
  state: SealedState,
  token: Token,
  rootKey: Uint8Array,
  userPin: SecretPin,
): Promise<RecordWrite[]> {
  const { clusterId } = state;
  const rootSecretId = ports.entropy.bytes(16);
  const object = await token.generateSecret({
    id: rootSecretId,
    label: rootSecretLabel(GENERATION, state.nextEpoch),
  });
  requireAttributes(object);
  const mac = await token.hmac(rootSecretId, rootHmacInput(clusterId, GENERATION));
  const boot = encodeBootRecord({
    userPin: userPin.reveal(),
    tokenSerial: token.info.serial,
    tokenManufacturer: token.info.manufacturer,
    tokenModel: token.info.model,
    rootSecretId,
    generation: GENERATION,
    svn: ports.attester.identity.svn,
  });
  return [
    {
      type: 'boot',
      id: '',
      plaintext: boot,
      key: bootKey(await ports.sealer.deriveSecret('boot/v1'), clusterId),
    },
    {
      type: 'root',
      id: '',
      plaintext: rootKey,
      key: rootSealKey(await ports.sealer.deriveSecret('root/v1'), mac, clusterId),
    },
  ];
}

/** The policy is a member of a canonical document, so its canonical form is a slice of the bytes received. */
function policyBytesOf(manifest: Uint8Array): Uint8Array {
  const policy = (parseSignedJson(manifest) as SignedJsonObject)['policy'];
  if (policy === undefined) throw new TypeError('manifest without policy');
  return canonicalize(policy);
}

/** Public key of an Ed25519 private key: the last 32 bytes of its SubjectPublicKeyInfo (RFC 8410 §4). */
export function rawEd25519(privateKey: KeyObject): Uint8Array {
  const spki = createPublicKey(privateKey).export({ format: 'der', type: 'spki' });
  return Uint8Array.from(spki.subarray(-32));
}
