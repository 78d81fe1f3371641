/**
 * The second step of a genesis, provisioning `init-token` (docs/spec/genesis.md, "Commit"): SO PIN, user PIN, root key
 * and all ring keys are born here, and the first index names them. Refusals came before; from here on every failure halts.
 */
import type { Ports, Token } from '../ports.ts';
import { toHex } from '../wire/bytes.ts';
import { canonicalize, parseSignedJson, type SignedJsonObject } from '../wire/signed-json.ts';
import { genesisCertificate, INSTANCE_ID_BYTES, policyDigestOf, type Cluster } from './cluster.ts';
import type { ApprovedGenesis } from './genesis-service.ts';
import {
  birthLeaf,
  bootLeaf,
  ClusterLog,
  logOrigin,
  openLog,
  type OnLogFailure,
} from './cluster-log.ts';
import { bearKeys, requireAttributes } from './key-birth.ts';
import { encodeKeyRecord, keyRecordId, rootSecretLabel } from './key-record.ts';
import { EnclaveTime } from './enclave-time.ts';
import { inForce } from './in-force.ts';
import { ringsOf } from './key-ring.ts';
import { Halt } from './lifecycle.ts';
import { SecretPin } from './pin.ts';
import { bootKey, rootHmacInput, rootSealKey } from './sealing.ts';
import { SealedState, type RecordWrite } from './state.ts';
import { EMPTY_EDGE } from '../log/tree.ts';
import { encodeBootRecord } from './state-index.ts';

const GENERATION = 1;

/** Our tokens are known by this label before any PIN is. */
export const TOKEN_LABEL_PREFIX = 'sealwright-';

/** Touches the token. Every exception halts the enclave. */
export async function commitGenesis(
  ports: Ports,
  { proposal, approvals }: ApprovedGenesis,
  onLogFailure: OnLogFailure,
): Promise<Cluster> {
  const { entropy } = ports;
  const { manifest } = proposal;
  const soPin = SecretPin.draw(entropy);
  const userPin = SecretPin.draw(entropy);
  const info = await ports.tokens.initToken({
    label: `${TOKEN_LABEL_PREFIX}${manifest.name}`.slice(0, 32),
    soPin,
    userPin,
  });
  // Modules that give serial numbers only now showed none when it was proposed.
  const { tokenSerial } = proposal;
  if (tokenSerial !== '' && tokenSerial !== info.serial) {
    throw new Halt('TOKEN_MISSING', { expected: tokenSerial, actual: info.serial });
  }
  const token = await ports.tokens.open(info.serial, userPin);
  try {
    const born = { proposal, approvals, soPin, userPin, token };
    return await firstState(ports, born, onLogFailure);
  } catch (error) {
    // A halted enclave must not stay logged in.
    await token.close().catch(() => undefined);
    throw error;
  }
}

interface Born extends ApprovedGenesis {
  readonly soPin: SecretPin;
  readonly userPin: SecretPin;
  readonly token: Token;
}

/** Bears all keys on the open token and makes the first index durable. */
async function firstState(
  ports: Ports,
  { proposal, approvals, soPin, userPin, token }: Born,
  onLogFailure: OnLogFailure,
): Promise<Cluster> {
  const { entropy } = ports;
  const { clusterId, clusterNonce, logKey, logPublicKey, manifest, statement } = proposal;
  const genesis = { clusterNonce, manifest: proposal.manifestBytes, statement, approvals };
  const platform = ports.attester.identity;
  const rootKey = entropy.bytes(32);
  const state = new SealedState({ ...ports, platform }, clusterId, rootKey);
  const instanceId = entropy.bytes(INSTANCE_ID_BYTES);
  const policyBytes = policyBytesOf(genesis.manifest);
  const births = await bearKeys(
    ports,
    state,
    token,
    manifest.policy.rings.map((scope) => ({ scope, version: 1 })),
  );
  const bootEpoch = state.nextEpoch;
  const identity = {
    origin: logOrigin(platform.simulated, clusterId),
    privateKey: logKey,
    publicKey: logPublicKey,
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
      genesisDigest: toHex(proposal.genesisDigest),
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
  const time = new EnclaveTime(ports.clock, 0);
  const nowMs = time.nowMs();
  const fields = {
    instanceId,
    timeMarkMs: nowMs,
    policyVersion: manifest.policy.version,
    policyDigest,
    policyAppliedAtMs: nowMs,
    adminSequence: 0,
    adminDigest: new Uint8Array(32),
    svn: platform.svn,
    ...log.head(),
  };
  await state.change(fields, [
    ...(await rootRecords(ports, state, token, rootKey, userPin)),
    { type: 'genesis', id: '', plaintext: canonicalize(genesisCertificate(genesis)) },
    { type: 'policy', id: '', plaintext: policyBytes },
    { type: 'log-key', id: '', plaintext: logKey.export({ format: 'der', type: 'pkcs8' }) },
    { type: 'so-pin', id: '', plaintext: soPin.reveal() },
    ...births.map(({ record }): RecordWrite => ({
      type: 'key',
      id: keyRecordId(record.ring, record.version),
      plaintext: encodeKeyRecord(record),
    })),
  ]);
  return {
    state,
    token,
    time,
    inForce: inForce(policyBytes, manifest.policy, ringsOf(births.map(({ key }) => key)), nowMs),
    instanceId,
    bootEpoch,
    genesis,
    log,
    logOrigin: identity.origin,
    logKey: identity.publicKey,
  };
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
