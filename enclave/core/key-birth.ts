/** Birth of key versions, and their opening at boot. */
import type { Entropy, Ports, Token, TokenObject } from '../ports.ts';
import { equalBytes, label, toHex } from '../wire/bytes.ts';
import { algorithmRow } from '../wire/algorithm.ts';
import type { RingScope } from '../wire/policy/ring.ts';
import { createHash, createPublicKey, verify, constants } from 'node:crypto';
import { inParallel } from './cluster.ts';
import { EnclaveSigningKey, generateEnclaveKey } from './enclave-key.ts';
import { keyId } from './key-id.ts';
import { keyObjectLabel, keyRecordId, type KeyRecord } from './key-record.ts';
import { OpenKey } from './key-ring.ts';
import { maySignAgain } from './key-state.ts';
import { Halt } from './lifecycle.ts';
import type { PlannedBirth } from './reconcile.ts';
import type { SealedState } from './state.ts';
import { enclaveKeyHmacInput, enclaveKeySealKey, seal, SealError, unseal } from './sealing.ts';
import { NO_SIGNER, TokenSigningKey, type SigningKey } from './signing-key.ts';
import { wrongAttribute } from './token-objects.ts';

const TOKEN_OBJECT_ID_BYTES = 16;
const SELF_TEST = label('sealwright/self-test/v1');

export interface KeyContext {
  readonly clusterId: Uint8Array;
  readonly token: Token;
  readonly entropy: Entropy;
  /** Key of record type `key`. */
  readonly keyTypeKey: Uint8Array;
}

export interface Birth {
  readonly version: number;
  readonly epoch: bigint;
  readonly nowMs: number;
}

/** Makes a key version; the caller makes its record durable before anybody hears of it. */
export async function bearKey(
  context: KeyContext,
  scope: RingScope,
  birth: Birth,
): Promise<{ readonly record: KeyRecord; readonly key: OpenKey; readonly object: TokenObject }> {
  const id = context.entropy.bytes(TOKEN_OBJECT_ID_BYTES);
  const objectLabel = keyObjectLabel(scope.name, birth.version, birth.epoch);
  const common = {
    ring: scope.name,
    version: birth.version,
    algorithm: scope.algorithm,
    payloadKind: scope.payloadKind,
    maxBytes: scope.maxBytes,
    lowestRank: scope.lowestRank,
    state: 'active',
    createdAtMs: birth.nowMs,
    birthEpoch: birth.epoch,
    tokenObjectId: id,
  } as const;
  if (scope.residency === 'hsm') {
    const born = await context.token.generateKeyPair({
      id,
      label: objectLabel,
      algorithm: scope.algorithm,
    });
    requireAttributes(born.object);
    const record = { ...common, publicKey: born.publicKey, sealedPrivateKey: undefined };
    return { record, key: await openKey(context, record), object: born.object };
  }
  const object = await context.token.generateSecret({ id, label: objectLabel });
  requireAttributes(object);
  const sealKey = await versionSealKey(context, common);
  const pkcs8 = await generateEnclaveKey(scope.algorithm);
  const name = { type: 'key', id: keyRecordId(scope.name, birth.version), version: 1n };
  const sealedPrivateKey = seal(sealKey, context.clusterId, name, pkcs8, context.entropy);
  const signer = new EnclaveSigningKey(scope.algorithm, pkcs8, context.entropy);
  const record = { ...common, publicKey: signer.publicKey(), sealedPrivateKey };
  return { record, key: new OpenKey(record, keyId(record.publicKey), signer), object };
}

/** A key version that is on the token, and in no record yet. */
export type Born = Awaited<ReturnType<typeof bearKey>>;

/** RSA takes a second and more on a card: some at once, and signing goes on between them. */
const BIRTHS_AT_ONCE = 4;

/** Bears what was planned, in that order, with the labels of the next state change. Any exception must halt the enclave. */
export function bearKeys(
  { entropy, clock }: Pick<Ports, 'entropy' | 'clock'>,
  state: SealedState,
  token: Token,
  births: readonly PlannedBirth[],
): Promise<readonly Born[]> {
  const { clusterId, nextEpoch: epoch } = state;
  const context = { clusterId, token, entropy, keyTypeKey: state.keyOf('key') };
  return inParallel(births, BIRTHS_AT_ONCE, ({ scope, version }) =>
    bearKey(context, scope, { version, epoch, nowMs: clock.wallMs() }),
  );
}

/**
 * Opens a recorded key, and lets it sign once when it may ever sign again. Throws Halt `SELF_TEST_FAILED` or
 * `SEALED_HANDLE_REJECTED`.
 */
export async function openKey(context: KeyContext, record: KeyRecord): Promise<OpenKey> {
  const kid = keyId(record.publicKey);
  if (!maySignAgain(record.state)) return new OpenKey(record, kid, NO_SIGNER);
  const signer =
    record.sealedPrivateKey === undefined
      ? new TokenSigningKey(context.token, {
          id: record.tokenObjectId,
          algorithm: record.algorithm,
          publicKey: record.publicKey,
        })
      : await openEnclaveKey(context, record, record.sealedPrivateKey);
  await selfTest(record, signer);
  return new OpenKey(record, kid, signer);
}

async function openEnclaveKey(
  context: KeyContext,
  record: KeyRecord,
  sealed: Uint8Array,
): Promise<SigningKey> {
  const name = { type: 'key', id: keyRecordId(record.ring, record.version), version: 1n };
  let pkcs8: Uint8Array;
  try {
    pkcs8 = unseal(await versionSealKey(context, record), context.clusterId, name, sealed);
  } catch (error) {
    if (!(error instanceof SealError)) throw error;
    throw new Halt('SEALED_HANDLE_REJECTED', {
      ring: record.ring,
      version: String(record.version),
    });
  }
  const signer = new EnclaveSigningKey(record.algorithm, pkcs8, context.entropy);
  if (!equalBytes(signer.publicKey(), record.publicKey)) throw selfTestFailed(record);
  return signer;
}

/** The version's own HSM secret goes into the key: without that object no backup of the record opens. */
async function versionSealKey(
  context: KeyContext,
  record: Pick<KeyRecord, 'ring' | 'version' | 'tokenObjectId'>,
): Promise<Uint8Array> {
  const input = enclaveKeyHmacInput(context.clusterId, record.ring, record.version);
  const mac = await context.token.hmac(record.tokenObjectId, input);
  return enclaveKeySealKey(context.keyTypeKey, mac, context.clusterId);
}

export function requireAttributes(object: TokenObject): void {
  const attribute = wrongAttribute(object);
  if (attribute === undefined) return;
  throw new Halt('TOKEN_OBJECT_REJECTED', {
    object: object.label,
    id: toHex(object.id),
    attribute: `CKA_${attribute}`,
    found: String(object.attributes[attribute] ?? 'absent'),
  });
}

/** A damaged object file is not noticed by the module: only a signature under the recorded key tells. */
async function selfTest(record: KeyRecord, signer: SigningKey): Promise<void> {
  const row = algorithmRow(record.algorithm);
  const hash = 'hash' in row ? row.hash : null;
  const message = SELF_TEST;
  const digest = hash === null ? undefined : createHash(hash).update(message).digest();
  const signature = await signer.sign({ digest, message }, 'der');
  const key = createPublicKey({ key: Buffer.from(record.publicKey), format: 'der', type: 'spki' });
  const options =
    row.family === 'rsa-pss'
      ? { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: row.digestBytes }
      : key;
  if (!verify(hash, message, options, signature)) throw selfTestFailed(record);
}

function selfTestFailed(record: KeyRecord): Halt {
  return new Halt('SELF_TEST_FAILED', { ring: record.ring, version: String(record.version) });
}
