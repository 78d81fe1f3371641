/**
 * The first step of a genesis (docs/spec/genesis.md, "Propose"): what could be born is drawn and named, so that admins
 * can approve exactly that. Nothing is touched and nothing is kept on disk.
 */
import { createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { TokenFailure, type Ports } from '../ports.ts';
import { utf8 } from '../wire/bytes.ts';
import { Refusal } from '../wire/error-code.ts';
import { MAX_MANIFEST_TEXT_BYTES } from '../wire/limits.ts';
import { CallerRoots } from '../wire/policy/chain.ts';
import { encodeGenesisStatement, TOKEN_SERIAL } from '../wire/policy/genesis-statement.ts';
import { SignedJsonError } from '../wire/signed-json.ts';
import {
  clusterIdOf,
  genesisDigest,
  parseGenesisManifest,
  type GenesisManifest,
} from './genesis-manifest.ts';
import { requireInTime } from './policy-time.ts';

const CLUSTER_NONCE_BYTES = 32;

export interface GenesisProposal {
  readonly manifest: GenesisManifest;
  /** As received: what was hashed. */
  readonly manifestBytes: Uint8Array;
  readonly clusterNonce: Uint8Array;
  readonly logKey: KeyObject;
  readonly logPublicKey: Uint8Array;
  readonly genesisDigest: Uint8Array;
  readonly clusterId: Uint8Array;
  /** Of the token that would be initialised; empty when its module shows none before. */
  readonly tokenSerial: string;
  /** What admins sign. */
  readonly statement: Uint8Array;
}

/** Draws a cluster for this manifest. Throws Refusal with the place of the first problem. */
export async function proposeGenesis(ports: Ports, bytes: Uint8Array): Promise<GenesisProposal> {
  const manifest = acceptedManifest(bytes);
  const tokenSerial = await requireBearable(ports, manifest);
  const platform = ports.attester.identity;
  const clusterNonce = ports.entropy.bytes(CLUSTER_NONCE_BYTES);
  const logKey = generateKeyPairSync('ed25519').privateKey;
  const logPublicKey = rawEd25519(logKey);
  const digest = genesisDigest(bytes);
  const clusterId = clusterIdOf(platform, digest, clusterNonce, logPublicKey);
  const { measurements } = platform;
  const statement = encodeGenesisStatement({
    clusterId,
    genesisDigest: digest,
    measurements,
    tokenSerial,
  });
  return {
    manifest,
    manifestBytes: bytes,
    clusterNonce,
    logKey,
    logPublicKey,
    genesisDigest: digest,
    clusterId,
    tokenSerial,
    statement,
  };
}

function acceptedManifest(bytes: Uint8Array): GenesisManifest {
  try {
    const manifest = parseGenesisManifest(bytes);
    requireRoots(manifest);
    const text = utf8(JSON.stringify(new TextDecoder().decode(bytes)));
    if (text.byteLength <= MAX_MANIFEST_TEXT_BYTES) return manifest;
    throw new SignedJsonError('', `larger than ${String(MAX_MANIFEST_TEXT_BYTES)} as a string`);
  } catch (error) {
    if (!(error instanceof SignedJsonError)) throw error;
    throw new Refusal('MANIFEST_INVALID', { field: error.place, expected: error.message });
  }
}

/** A root that is no authority would be found out when the token is initialised already. */
function requireRoots({ policy }: GenesisManifest): void {
  try {
    new CallerRoots(policy);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    const [place = '', problem = ''] = error.message.split(': ');
    throw new SignedJsonError(`/policy${place}`, problem);
  }
}

/**
 * Serial number of the token that a genesis of this manifest would take now. Throws Refusal when there is none that
 * can, when another cluster left its log here, or when the policy may not be applied now.
 */
export async function requireBearable(ports: Ports, manifest: GenesisManifest): Promise<string> {
  await requireEmptyLog(ports);
  const free = await candidateOf(ports);
  // A statement names it, and people read statements.
  if (free === undefined || !TOKEN_SERIAL.test(free.info.serial)) {
    throw new Refusal('TOKEN_UNAVAILABLE', { token: 'uninitialised' });
  }
  for (const ring of manifest.policy.rings) {
    const missing = ring.residency === 'hsm' ? free.missingMechanism(ring.algorithm) : undefined;
    if (missing !== undefined) {
      const token = `${free.info.manufacturer} ${free.info.model}`;
      throw new Refusal('MECHANISM_UNSUPPORTED', { ring: ring.name, mechanism: missing, token });
    }
  }
  requireInTime(manifest.policy, ports.clock.wallMs());
  return free.info.serial;
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

/** Public key of an Ed25519 private key: the last 32 bytes of its SubjectPublicKeyInfo (RFC 8410 §4). */
export function rawEd25519(privateKey: KeyObject): Uint8Array {
  const spki = createPublicKey(privateKey).export({ format: 'der', type: 'spki' });
  return Uint8Array.from(spki.subarray(-32));
}
