/**
 * Boot: from what the host's store offers to an open cluster, or a halt by name (PROTOCOLS §4, §5).
 * Nothing from the store is believed until the platform's secret, the token's secret and the index
 * have agreed on it.
 */
import { createPrivateKey } from 'node:crypto';
import type { Ports, Token } from '../ports.ts';
import { equalBytes, toHex } from '../wire/bytes.ts';
import { Refusal } from '../wire/error-code.ts';
import { MAX_POLICY_BYTES } from '../wire/limits.ts';
import { parsePolicy, type Policy } from '../wire/policy/document.ts';
import { scopeDifference } from '../wire/policy/ring.ts';
import { parseSignedJson } from '../wire/signed-json.ts';
import { checkInventory } from './boot-inventory.ts';
import { ObjectReader } from '../wire/closed-schema.ts';
import {
  inParallel,
  INSTANCE_ID_BYTES,
  parseGenesisRecord,
  policyDigestOf,
  type Cluster,
  type GenesisRecord,
} from './cluster.ts';
import {
  bootLeaf,
  checkedEdge,
  ClusterLog,
  logOrigin,
  openLog,
  type LogIdentity,
  type OnLogFailure,
} from './cluster-log.ts';
import { TOKEN_LABEL_PREFIX } from './genesis.ts';
import { clusterIdOf, genesisDigest } from './genesis-manifest.ts';
import { rawEd25519 } from './genesis-proposal.ts';
import { sha256 } from './kdf.ts';
import { openKey } from './key-birth.ts';
import { EnclaveTime } from './enclave-time.ts';
import { inForce } from './in-force.ts';
import { keyRecordId, parseKeyRecord, scopeOf } from './key-record.ts';
import { ringsOf, type KeyRing } from './key-ring.ts';
import { Halt } from './lifecycle.ts';
import { SecretPin } from './pin.ts';
import {
  bootKey,
  rootHmacInput,
  rootSealKey,
  SealError,
  typeKey,
  unseal,
  claimedVersion,
} from './sealing.ts';
import {
  anchorValue,
  checkedAgainst,
  HINT_KEY,
  INDEX_KEY,
  parsedRecord,
  SealedState,
  storeKey,
} from './state.ts';
import {
  parseBootRecord,
  parseClusterHint,
  parseIndex,
  recordKey,
  type BootRecord,
  type ClusterHint,
  type IndexEntry,
  type StateIndex,
} from './state-index.ts';

const OPENINGS_AT_ONCE = 8;

/** A cluster to serve, or `setup`: there is none, and nothing speaks of an older one. Throws Halt, TokenFailure. */
export async function boot(ports: Ports, onLogFailure: OnLogFailure): Promise<Cluster | 'setup'> {
  const found = await readStore(ports, [HINT_KEY, INDEX_KEY]);
  const hintBytes = found.get(HINT_KEY);
  const sealedIndex = found.get(INDEX_KEY);
  if (hintBytes === undefined && sealedIndex === undefined) {
    await refuseForgottenState(ports);
    return 'setup';
  }
  if (hintBytes === undefined) throw new Halt('STATE_MISSING', { record: HINT_KEY });
  if (sealedIndex === undefined) throw new Halt('STATE_MISSING', { record: INDEX_KEY });
  const hint = parsedRecord(HINT_KEY, () => parseClusterHint(hintBytes));
  const sealed = await readRootRecords(ports, hint);
  const record = await openBootRecord(ports, hint, sealed.boot);
  const token = await ports.tokens.open(record.tokenSerial, new SecretPin(record.userPin));
  try {
    return await openCluster(ports, { hint, record, token, sealed, sealedIndex }, onLogFailure);
  } catch (error) {
    // A pool that does not close must not hide why the boot ended.
    await token.close().catch(() => undefined);
    throw error;
  }
}

interface RootRecords {
  readonly boot: Uint8Array;
  readonly root: Uint8Array;
}

async function readStore(ports: Ports, keys: readonly string[]) {
  try {
    return await ports.store.get(keys);
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    throw new Halt('STORE_UNAVAILABLE', { refusal: error.reason });
  }
}

/** The store says that nothing ever was. A token of ours says otherwise: then somebody lost the store, or hides it. */
async function refuseForgottenState(ports: Ports): Promise<void> {
  const tokens = await ports.tokens.listTokens();
  const ours = tokens.find(
    (token) => token.initialised && token.label.startsWith(TOKEN_LABEL_PREFIX),
  );
  if (ours !== undefined)
    throw new Halt('STATE_MISSING', { token: ours.serial, label: ours.label });
}

async function readRootRecords(ports: Ports, hint: ClusterHint): Promise<RootRecords> {
  const bootName = storeKey({ type: 'boot', id: '', version: hint.bootVersion });
  const rootName = storeKey({ type: 'root', id: '', version: hint.rootVersion });
  const found = await readStore(ports, [bootName, rootName]);
  const bootRecord = found.get(bootName);
  const rootRecord = found.get(rootName);
  if (bootRecord === undefined) throw new Halt('STATE_MISSING', { record: 'boot' });
  if (rootRecord === undefined) throw new Halt('STATE_MISSING', { record: 'root' });
  return { boot: bootRecord, root: rootRecord };
}

async function openBootRecord(
  ports: Ports,
  hint: ClusterHint,
  sealed: Uint8Array,
): Promise<BootRecord> {
  const key = bootKey(await ports.sealer.deriveSecret('boot/v1'), hint.clusterId);
  const name = { type: 'boot', id: '', version: hint.bootVersion };
  let plaintext: Uint8Array;
  try {
    plaintext = unseal(key, hint.clusterId, name, sealed);
  } catch (error) {
    if (!(error instanceof SealError)) throw error;
    throw whatChanged(ports, hint);
  }
  return parsedRecord('boot', () => parseBootRecord(plaintext));
}

/** The hint is the host's word: it may explain a refusal, and decides nothing. */
function whatChanged(ports: Ports, hint: ClusterHint): Halt {
  const { measurements, platformId } = ports.attester.identity;
  for (const [i, sealedBy] of hint.sealedBy.measurements.entries()) {
    const running = measurements[i];
    if (running !== undefined && !equalBytes(running, sealedBy)) {
      return new Halt('MEASUREMENT_CHANGED', {
        register: `MR${String(i)}`,
        sealedBy: toHex(sealedBy),
        running: toHex(running),
      });
    }
  }
  if (!equalBytes(platformId, hint.sealedBy.platformId)) {
    return new Halt('PLATFORM_CHANGED', {
      sealedBy: toHex(hint.sealedBy.platformId),
      running: toHex(platformId),
    });
  }
  return new Halt('SEALED_HANDLE_REJECTED', { record: 'boot' });
}

/** Everything that must agree before the index is believed. */
interface Found {
  readonly hint: ClusterHint;
  readonly record: BootRecord;
  readonly token: Token;
  readonly sealed: RootRecords;
  readonly sealedIndex: Uint8Array;
}

async function openCluster(
  ports: Ports,
  { hint, record, token, sealed, sealedIndex }: Found,
  onLogFailure: OnLogFailure,
): Promise<Cluster> {
  const { clusterId } = hint;
  const mac = await token.hmac(record.rootSecretId, rootHmacInput(clusterId, record.generation));
  const rootSecret = await ports.sealer.deriveSecret('root/v1');
  const rootName = { type: 'root', id: '', version: hint.rootVersion };
  const rootKey = openedOrHalt('root', () =>
    unseal(rootSealKey(rootSecret, mac, clusterId), clusterId, rootName, sealed.root),
  );
  const index = openIndex(rootKey, clusterId, sealedIndex);
  refuseOlderRelease(ports, Math.max(index.svn, record.svn));
  const byKey = new Map(index.records.map((entry) => [recordKey(entry), entry]));
  checkedAgainst(requiredEntry(byKey, 'boot'), sealed.boot);
  checkedAgainst(requiredEntry(byKey, 'root'), sealed.root);
  await checkAnchor(ports, index, sha256(sealedIndex));

  const context = { ...ports, platform: ports.attester.identity };
  const state = new SealedState(context, clusterId, rootKey, {
    index,
    digest: sha256(sealedIndex),
  });
  const records = await state.read(
    index.records.filter((entry) => entry.type !== 'boot' && entry.type !== 'root'),
  );
  const { document, policy } = openPolicy(records.get('policy'), index);
  const identity = openIdentity(ports, clusterId, records);
  const keys = index.records
    .filter((entry) => entry.type === 'key')
    .map((entry) => openKeyRecord(entry, records.get(recordKey(entry))));
  await checkInventory(token, index, record, keys);
  const rings = await openRings(ports, state, token, policy, keys);
  const instanceId = ports.entropy.bytes(INSTANCE_ID_BYTES);
  const time = new EnclaveTime(ports.clock, index.timeMarkMs);
  const { genesis, log: logIdentity } = identity;
  const edge = await checkedEdge(ports, state, index);
  const log = new ClusterLog(
    ports,
    instanceId,
    openLog(ports, state, logIdentity, edge, onLogFailure),
  );
  const bootEpoch = state.nextEpoch;
  await log.appendPatiently([bootLeaf(ports, bootEpoch, index.policyVersion)]);
  const { svn } = ports.attester.identity;
  // Boot is a state change (PROTOCOLS §5).
  const timeMarkMs = time.nowMs();
  await state.change({ ...index, ...log.head(), instanceId, timeMarkMs, svn }, []);
  return {
    state,
    token,
    time,
    inForce: parsedRecord('policy', () =>
      inForce(document, policy, rings, index.policyAppliedAtMs),
    ),
    instanceId,
    bootEpoch,
    genesis,
    log,
    logOrigin: logIdentity.origin,
    logKey: logIdentity.publicKey,
  };
}

function openedOrHalt<T>(record: string, open: () => T): T {
  try {
    return open();
  } catch (error) {
    if (!(error instanceof SealError)) throw error;
    throw new Halt('SEALED_HANDLE_REJECTED', { record });
  }
}

function openIndex(rootKey: Uint8Array, clusterId: Uint8Array, sealed: Uint8Array): StateIndex {
  const version = claimedVersion(sealed) ?? 0n;
  const name = { type: INDEX_KEY, id: '', version };
  const plaintext = openedOrHalt(INDEX_KEY, () =>
    unseal(typeKey(rootKey, clusterId, INDEX_KEY), clusterId, name, sealed),
  );
  const index = parsedRecord(INDEX_KEY, () => parseIndex(plaintext));
  if (index.epoch !== version || !equalBytes(index.clusterId, clusterId)) {
    throw new Halt('STATE_DAMAGED', { record: INDEX_KEY });
  }
  return index;
}

/** No downgrade (PROTOCOLS §10): also where a platform gives an older release the secrets of a later one. */
function refuseOlderRelease(ports: Ports, sealedBy: number): void {
  const { svn } = ports.attester.identity;
  if (sealedBy <= svn) return;
  throw new Halt('MEASUREMENT_CHANGED', {
    register: 'svn',
    sealedBy: String(sealedBy),
    running: String(svn),
  });
}

function requiredEntry(byKey: ReadonlyMap<string, IndexEntry>, record: string): IndexEntry {
  const entry = byKey.get(record);
  if (entry === undefined) throw new Halt('STATE_DAMAGED', { record });
  return entry;
}

/** The index is the anchored one, or its direct successor that was durable before the anchor was (PROTOCOLS §5). */
async function checkAnchor(ports: Ports, index: StateIndex, digest: Uint8Array): Promise<void> {
  const anchored = await ports.anchor.read();
  if (anchored === undefined) {
    if (ports.anchor.kind === 'none') return;
    throw new Halt('ROLLBACK_DETECTED', { anchor: 'missing' });
  }
  if (equalBytes(anchored.indexDigest, digest)) return;
  if (!equalBytes(anchored.indexDigest, index.previous)) {
    throw new Halt('ROLLBACK_DETECTED', {
      anchored: String(anchored.epoch),
      found: String(index.epoch),
    });
  }
  // Before anything else: a boot that ended between its own index and its anchor would leave two steps.
  await ports.anchor.write(anchorValue(index, digest));
}

/** The document that the index names. The enclave took it once, so it can be taken. */
function openPolicy(bytes: Uint8Array | undefined, index: StateIndex) {
  if (bytes === undefined || !equalBytes(policyDigestOf(bytes), index.policyDigest)) {
    throw new Halt('STATE_DAMAGED', { record: 'policy' });
  }
  const policy = parsedRecord('policy', () =>
    parsePolicy(new ObjectReader(parseSignedJson(bytes, MAX_POLICY_BYTES))),
  );
  return { document: bytes, policy };
}

/** Genesis record and log key must give the cluster id again. */
function openIdentity(
  ports: Ports,
  clusterId: Uint8Array,
  records: ReadonlyMap<string, Uint8Array>,
): { readonly genesis: GenesisRecord; readonly log: LogIdentity } {
  const genesisBytes = records.get('genesis');
  const logKeyBytes = records.get('log-key');
  if (genesisBytes === undefined) throw new Halt('STATE_DAMAGED', { record: 'genesis' });
  if (logKeyBytes === undefined) throw new Halt('STATE_DAMAGED', { record: 'log-key' });
  const genesis = parsedRecord('genesis', () => parseGenesisRecord(genesisBytes));
  const key = { key: Buffer.from(logKeyBytes), format: 'der', type: 'pkcs8' } as const;
  const privateKey = createPrivateKey(key);
  const publicKey = rawEd25519(privateKey);
  const digest = genesisDigest(genesis.manifest);
  const expected = clusterIdOf(ports.attester.identity, digest, genesis.clusterNonce, publicKey);
  if (!equalBytes(expected, clusterId)) throw new Halt('STATE_DAMAGED', { record: 'genesis' });
  const origin = logOrigin(ports.attester.identity.simulated, clusterId);
  return { genesis, log: { origin, privateKey, publicKey } };
}

function openKeyRecord(entry: IndexEntry, plaintext: Uint8Array | undefined) {
  const name = recordKey(entry);
  const record = parsedRecord(name, () => parseKeyRecord(plaintext ?? new Uint8Array(0)));
  if (keyRecordId(record.ring, record.version) !== entry.id) {
    throw new Halt('STATE_DAMAGED', { record: name });
  }
  return record;
}

async function openRings(
  ports: Ports,
  state: SealedState,
  token: Token,
  policy: Policy,
  records: readonly ReturnType<typeof openKeyRecord>[],
): Promise<ReadonlyMap<string, KeyRing>> {
  const context = {
    clusterId: state.clusterId,
    token,
    entropy: ports.entropy,
    keyTypeKey: state.keyOf('key'),
  };
  const keys = await inParallel(records, OPENINGS_AT_ONCE, (record) => openKey(context, record));
  const rings = ringsOf(keys);
  for (const { scope, keys: own } of rings.values()) {
    // The scope of a ring is immutable (DESIGN §7): no policy was ever applied that says otherwise.
    const wanted = policy.rings.find(({ name }) => name === scope.name) ?? scope;
    if (own.some(({ record }) => scopeDifference(scopeOf(record), wanted) !== undefined)) {
      throw new Halt('INVARIANT_BROKEN', { what: 'key outside the scope', ring: scope.name });
    }
  }
  // A ring whose keys were all marked as compromised is there, and signs nothing until the next policy.
  const lost = policy.rings.find(({ name }) => !rings.has(name));
  if (lost !== undefined) throw new Halt('STATE_MISSING', { ring: lost.name });
  return rings;
}
