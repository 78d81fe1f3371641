// Vectors of the log's JSON forms: leaves, the edge, receipts. Documents are text: their bytes are what is hashed.
import {
  base64,
  checkpointText,
  consistencyPath,
  edgeHashes,
  inclusionPath,
  leafHashOf,
  noteSigner,
  signedNote,
  treeHash,
} from './log-maker.ts';
import { ORIGIN, leafHashes, logSigner } from './log-text-vectors.ts';
import { fixedBytes, hex, sha256, vector, type VectorCase } from './vector-file.ts';

type Members = Readonly<Record<string, string>>;

const fixed = (name: string, length = 32): string => `"${hex(fixedBytes(name, length))}"`;

/** A canonical object from JSON texts; a member with an empty text is left out. */
function objectText(members: Members): string {
  const names = Object.keys(members)
    .filter((name) => members[name] !== '')
    .sort();
  return `{${names.map((name) => `"${name}":${members[name] ?? ''}`).join(',')}}`;
}

const KID = `"${Buffer.from(fixedBytes('kid', 32)).toString('base64url')}"`;
const key = { ring: '"release"', version: '3', kid: KID, alg: '"ES256"' };
const IDENTITY = '"spiffe://example.org/ci"';
const call = { caller: '"ci"', callerId: IDENTITY, rank: '"mtls"' };

const SALT = fixedBytes('salt', 32);
const TO_BE_SIGNED = Buffer.from('the message');
const label = Buffer.from('sealwright/to-be-signed/v1\0');
const toBeSignedHash = (salt: Uint8Array, message: Uint8Array): string =>
  `"${hex(sha256(label, salt, message))}"`;

const KINDS = {
  genesis: {
    clusterId: fixed('cluster id'),
    genesisDigest: fixed('genesis digest'),
    tokenSerial: '"0123456789abcdef"',
  },
  boot: {
    bootEpoch: '2',
    mr0: fixed('mr0', 48),
    mr1: fixed('mr1', 48),
    mr2: fixed('mr2', 48),
    svn: '1',
    policyVersion: '1',
  },
  policy: { policyVersion: '2', policyDigest: fixed('policy digest') },
  'key-birth': {
    ...key,
    residency: '"hsm"',
    publicKeyHash: fixed('public key'),
    attributes: '{"false":["CKA_EXTRACTABLE"],"true":["CKA_SENSITIVE","CKA_SIGN"]}',
  },
  'key-state': {
    ring: '"release"',
    version: '3',
    from: '"active"',
    to: '"deactivated"',
    reason: '"rotation"',
  },
  emergency: {
    call: '"suspend"',
    ring: '"release"',
    version: '0',
    sequence: '4',
    statementDigest: fixed('statement'),
    approvedBy: '["alice","bob"]',
  },
  session: {
    sessionId: fixed('session id', 16),
    caller: '"ci"',
    callerId: IDENTITY,
    policyVersion: '1',
  },
  signature: {
    ...key,
    ...call,
    toBeSignedHash: toBeSignedHash(SALT, TO_BE_SIGNED),
    policyVersion: '1',
    requestId: fixed('request id', 16),
  },
  refusal: { ring: '"release"', ...call, reason: '"SIGNING_POLICY_DENIED"', count: '7' },
} as const satisfies Readonly<Record<string, Members>>;

type Kind = keyof typeof KINDS;

function leafText(kind: Kind, changed: Members = {}): string {
  return objectText({
    v: '1',
    kind: `"${kind}"`,
    timeMs: '1893456000000',
    instanceId: fixed('instance', 16),
    ...KINDS[kind],
    ...changed,
  });
}

const leafCase = (id: string, comment: string, text: string, expect: string): VectorCase =>
  vector(id, comment, { form: 'leaf', text }, expect);

const refusedLeaf = (id: string, comment: string, kind: Kind, changed: Members): VectorCase =>
  leafCase(id, comment, leafText(kind, changed), 'SCHEMA');

export function leafCases(): VectorCase[] {
  const accepted = (id: string, comment: string, text: string): VectorCase => ({
    ...leafCase(id, comment, text, 'accept'),
    output: { leafHash: hex(leafHashOf(Buffer.from(text))) },
  });
  return [
    ...(Object.keys(KINDS) as Kind[]).map((kind) =>
      accepted(`leaf-${kind}`, `a ${kind} leaf`, leafText(kind)),
    ),
    accepted(
      'leaf-no-request-id',
      'without a request id',
      leafText('signature', { requestId: '' }),
    ),
    accepted(
      'leaf-peer',
      'a caller on a socket',
      leafText('signature', { callerId: '"peer:release-tool"', rank: '"peer"' }),
    ),
    accepted(
      'leaf-key',
      'a caller by its key',
      leafText('signature', { callerId: `"key:${hex(fixedBytes('caller key', 32))}"` }),
    ),
    accepted(
      'leaf-x509',
      'a caller by its subject',
      leafText('signature', { callerId: '"x509:corp:[\\"O=Corp\\",\\"CN=ci\\"]"' }),
    ),
    accepted(
      'leaf-long-identity',
      'an identity by its digest',
      leafText('signature', { callerId: `"sha256:${hex(fixedBytes('identity', 32))}"` }),
    ),
    accepted(
      'leaf-unknown-caller',
      'a refusal of somebody whom the policy does not name',
      leafText('refusal', { caller: '' }),
    ),
    accepted(
      'leaf-others',
      'refusals of too many to be told apart',
      leafText('refusal', { caller: '', callerId: '"others"' }),
    ),
    refusedLeaf('leaf-version', 'version 2', 'policy', { v: '2' }),
    refusedLeaf('leaf-no-version', 'no version', 'policy', { v: '' }),
    refusedLeaf('leaf-kind', 'an unknown kind', 'policy', { kind: '"other"' }),
    refusedLeaf('leaf-kind-prototype', 'a kind that every object has', 'policy', {
      kind: '"constructor"',
    }),
    refusedLeaf('leaf-other-kind', 'members of another kind', 'policy', { kind: '"boot"' }),
    refusedLeaf('leaf-no-time', 'no time', 'boot', { timeMs: '' }),
    refusedLeaf('leaf-time-text', 'time as text', 'boot', { timeMs: '"1893456000000"' }),
    refusedLeaf('leaf-time-negative', 'a time before 1970', 'boot', { timeMs: '-1' }),
    refusedLeaf('leaf-instance-short', '15 bytes', 'boot', { instanceId: fixed('instance', 15) }),
    refusedLeaf('leaf-instance-upper', 'upper case', 'boot', {
      instanceId: `"${'AB'.repeat(16)}"`,
    }),
    refusedLeaf('leaf-mr-short', 'a register of 32 bytes', 'boot', { mr1: fixed('mr1') }),
    refusedLeaf('leaf-epoch-zero', 'epoch 0', 'boot', { bootEpoch: '0' }),
    refusedLeaf('leaf-unknown-member', 'one member more', 'signature', { zzz: '1' }),
    refusedLeaf('leaf-no-hash', 'no hash', 'signature', { toBeSignedHash: '' }),
    refusedLeaf('leaf-hash-short', 'a hash of 31 bytes', 'signature', {
      toBeSignedHash: fixed('x', 31),
    }),
    refusedLeaf('leaf-salt', 'the salt in the leaf', 'signature', { salt: fixed('salt') }),
    refusedLeaf('leaf-request-id', 'a request id of 15 bytes', 'signature', {
      requestId: fixed('x', 15),
    }),
    refusedLeaf('leaf-no-caller', 'a signature for nobody', 'signature', { caller: '' }),
    refusedLeaf('leaf-caller', 'a name with a space', 'signature', { caller: '"release tool"' }),
    refusedLeaf('leaf-no-identity', 'a name alone', 'signature', { callerId: '' }),
    refusedLeaf('leaf-identity', 'an identity without a prefix', 'signature', {
      callerId: '"release-tool"',
    }),
    refusedLeaf('leaf-identity-others', 'a signature for others', 'signature', {
      callerId: '"others"',
    }),
    refusedLeaf('leaf-identity-long', '257 characters', 'signature', {
      callerId: `"peer:${'a'.repeat(252)}"`,
    }),
    refusedLeaf('leaf-identity-newline', 'a newline in the identity', 'signature', {
      callerId: '"peer:a\\nb"',
    }),
    refusedLeaf('leaf-ring', 'a ring with a slash', 'signature', { ring: '"a/b"' }),
    refusedLeaf('leaf-ring-65', 'a ring of 65 characters', 'signature', {
      ring: `"${'a'.repeat(65)}"`,
    }),
    refusedLeaf('leaf-kid', 'a short kid', 'signature', { kid: '"abc"' }),
    refusedLeaf('leaf-version-zero', 'key version 0', 'signature', { version: '0' }),
    refusedLeaf('leaf-count-zero', 'no refusals', 'refusal', { count: '0' }),
    refusedLeaf('leaf-residency', 'an unknown residency', 'key-birth', { residency: '"host"' }),
    refusedLeaf('leaf-attributes', 'attributes as a list', 'key-birth', { attributes: '[]' }),
    refusedLeaf('leaf-attributes-more', 'a third list', 'key-birth', {
      attributes: '{"false":[],"maybe":[],"true":[]}',
    }),
    refusedLeaf('leaf-attributes-number', 'a number for a name', 'key-birth', {
      attributes: '{"false":[1],"true":[]}',
    }),
    leafCase('leaf-empty', 'no bytes', '', 'JSON'),
    leafCase('leaf-array', 'an array', '[]', 'SCHEMA'),
    leafCase('leaf-space', 'a space', leafText('policy').replace(':', ': '), 'CANONICAL'),
    leafCase('leaf-newline', 'a final newline', `${leafText('policy')}\n`, 'CANONICAL'),
    leafCase(
      'leaf-order',
      'another order',
      leafText('policy').replace('"v":1', '"a":1'),
      'CANONICAL',
    ),
    leafCase(
      'leaf-twice',
      'a member twice',
      leafText('policy').replace('"v":1', '"v":1,"v":1'),
      'CANONICAL',
    ),
    leafCase('leaf-truncated', 'a byte less', leafText('policy').slice(0, -1), 'JSON'),
  ];
}

export function edgeCases(): VectorCase[] {
  const hashes = edgeHashes(leafHashes).map((hash) => `"${hex(hash)}"`);
  const edge = (id: string, comment: string, changed: Members, expect = 'SCHEMA'): VectorCase =>
    vector(
      id,
      comment,
      {
        form: 'edge',
        text: objectText({ v: '1', size: '7', edge: `[${hashes.join(',')}]`, ...changed }),
      },
      expect,
    );
  const rooted = (one: VectorCase, root: Uint8Array): VectorCase => ({
    ...one,
    output: { root: hex(root) },
  });
  const single = hex(leafHashes[0] ?? new Uint8Array(0));
  return [
    rooted(edge('edge', 'seven leaves: 4 + 2 + 1', {}, 'accept'), treeHash(leafHashes)),
    rooted(edge('edge-empty', 'no leaves', { size: '0', edge: '[]' }, 'accept'), sha256()),
    rooted(
      edge('edge-one', 'one leaf', { size: '1', edge: `["${single}"]` }, 'accept'),
      treeHash(leafHashes.slice(0, 1)),
    ),
    edge('edge-fewer', 'a hash less', { edge: `[${hashes.slice(1).join(',')}]` }),
    edge('edge-more', 'a hash more', { edge: `[${[...hashes, hashes[0]].join(',')}]` }),
    edge('edge-size', 'another number of subtrees', { size: '8' }),
    edge('edge-size-zero', 'size 0', { size: '0' }),
    edge('edge-size-negative', 'a negative size', { size: '-7' }),
    edge('edge-size-text', 'size as text', { size: '"7"' }),
    edge('edge-no-size', 'no size', { size: '' }),
    edge('edge-version', 'version 2', { v: '2' }),
    edge('edge-unknown-member', 'one member more', { root: `"${hex(treeHash(leafHashes))}"` }),
    edge('edge-short-hash', 'a hash of 31 bytes', {
      edge: `[${hashes.slice(1).join(',')},${fixed('x', 31)}]`,
    }),
    edge('edge-upper', 'upper case', {
      edge: `[${hashes.slice(1).join(',')},"${'AB'.repeat(32)}"]`,
    }),
    edge('edge-number', 'a number for a hash', { edge: `[${hashes.slice(1).join(',')},1]` }),
    edge('edge-text', 'text for the hashes', { edge: '""' }),
  ];
}

interface ReceiptParts {
  readonly leaf: string;
  readonly index: string;
  readonly proof: readonly Uint8Array[];
  readonly checkpoint: string;
  readonly salt: string;
}

/** The leaf of a receipt in a tree of five, as number 3. */
function inTreeOfFive(leaf: string): {
  readonly hashes: Uint8Array[];
  readonly proof: Uint8Array[];
} {
  const hashes = [
    ...leafHashes.slice(0, 3),
    leafHashOf(Buffer.from(leaf)),
    ...leafHashes.slice(4, 5),
  ];
  return { hashes, proof: inclusionPath(3, hashes) };
}

function receiptParts(leaf: string, signer = logSigner, origin = ORIGIN): ReceiptParts {
  const { hashes, proof } = inTreeOfFive(leaf);
  const checkpoint = signedNote(checkpointText(origin, 5, treeHash(hashes)), signer);
  return { leaf, index: '3', proof, checkpoint, salt: `"${hex(SALT)}"` };
}

function receiptText(parts: ReceiptParts, changed: Members = {}): string {
  return objectText({
    v: '1',
    kind: '"receipt"',
    leaf: JSON.stringify(parts.leaf),
    index: parts.index,
    proof: `[${parts.proof.map((hash) => `"${hex(hash)}"`).join(',')}]`,
    checkpoint: JSON.stringify(parts.checkpoint),
    salt: parts.salt,
    ...changed,
  });
}

const LOG = { origin: ORIGIN, publicKey: hex(logSigner.publicKey) };
const SIGNATURE = { toBeSigned: hex(TO_BE_SIGNED), kid: JSON.parse(KID) as string };

export function receiptCases(): VectorCase[] {
  const parts = receiptParts(leafText('signature'));
  const { hashes } = inTreeOfFive(parts.leaf);
  const receipt = (
    id: string,
    comment: string,
    text: string,
    expect: string,
    signature = SIGNATURE,
    log = LOG,
  ): VectorCase => vector(id, comment, { form: 'receipt', text, log, signature }, expect);
  const alone = (id: string, comment: string, text: string): VectorCase =>
    vector(id, comment, { form: 'receipt', text, log: LOG });
  const changed = (id: string, comment: string, members: Members, expect: string): VectorCase =>
    receipt(id, comment, receiptText(parts, members), expect);
  const proofText = (proof: readonly Uint8Array[]): Members => ({
    proof: `[${proof.map((hash) => `"${hex(hash)}"`).join(',')}]`,
  });
  const [first, second, third] = parts.proof;
  if (first === undefined || second === undefined || third === undefined)
    throw new Error('three hashes');
  const policy = receiptParts(leafText('policy'));
  const flippedLeaf = leafText('signature', { policyVersion: '2' });
  const simulatedOrigin = `simulated/${ORIGIN}`;
  const simulatedSigner = noteSigner(simulatedOrigin, 'simulated log key');
  const simulated = receiptParts(leafText('signature'), simulatedSigner, simulatedOrigin);
  const note = (size: number | string, root: Uint8Array): Members => ({
    checkpoint: JSON.stringify(signedNote(checkpointText(ORIGIN, size, root), logSigner)),
  });
  return [
    receipt('receipt', 'a signature, compared with its message', receiptText(parts), 'accept'),
    alone('receipt-only', 'without a signature to compare', receiptText(parts)),
    alone('receipt-no-salt', 'no salt, nothing to compare', receiptText(parts, { salt: '' })),
    alone('receipt-policy', 'of a policy leaf', receiptText({ ...policy, salt: '' })),
    receipt('receipt-simulated', 'a simulated log', receiptText(simulated), 'warning', SIGNATURE, {
      origin: simulatedOrigin,
      publicKey: hex(simulatedSigner.publicKey),
    }),
    receipt(
      'receipt-simulated-as-real',
      'a simulated log where another is expected',
      receiptText(simulated),
      'CHECKPOINT_ORIGIN',
    ),
    receipt(
      'receipt-other-log',
      'the key of another log',
      receiptText(receiptParts(parts.leaf, noteSigner(ORIGIN, 'x'))),
      'CHECKPOINT_SIGNATURE',
    ),
    receipt(
      'receipt-other-message',
      'another message',
      receiptText(parts),
      'RECEIPT_TO_BE_SIGNED',
      { ...SIGNATURE, toBeSigned: '00' },
    ),
    receipt(
      'receipt-empty-message',
      'the empty message',
      receiptText(parts),
      'RECEIPT_TO_BE_SIGNED',
      { ...SIGNATURE, toBeSigned: '' },
    ),
    receipt('receipt-other-kid', 'another key', receiptText(parts), 'RECEIPT_KID', {
      ...SIGNATURE,
      kid: 'A'.repeat(43),
    }),
    receipt('receipt-kind', 'a policy leaf for a signature', receiptText(policy), 'RECEIPT_KIND'),
    changed(
      'receipt-other-salt',
      'another salt',
      { salt: fixed('other salt') },
      'RECEIPT_TO_BE_SIGNED',
    ),
    changed(
      'receipt-salt-missing',
      'no salt, a message to compare',
      { salt: '' },
      'RECEIPT_TO_BE_SIGNED',
    ),
    changed(
      'receipt-leaf-edited',
      'the leaf changed',
      { leaf: JSON.stringify(flippedLeaf) },
      'RECEIPT_INCLUSION',
    ),
    changed('receipt-index', 'another index', { index: '2' }, 'RECEIPT_INCLUSION'),
    changed('receipt-index-last', 'the last index', { index: '4' }, 'RECEIPT_INCLUSION'),
    changed('receipt-index-size', 'index = size', { index: '5' }, 'RECEIPT_INCLUSION'),
    changed(
      'receipt-index-large',
      'the largest index',
      { index: '9007199254740991' },
      'RECEIPT_INCLUSION',
    ),
    changed('receipt-proof-none', 'no proof', proofText([]), 'RECEIPT_INCLUSION'),
    changed(
      'receipt-proof-truncated',
      'a hash less',
      proofText([first, second]),
      'RECEIPT_INCLUSION',
    ),
    changed(
      'receipt-proof-extended',
      'a hash more',
      proofText([...parts.proof, third]),
      'RECEIPT_INCLUSION',
    ),
    changed(
      'receipt-proof-swapped',
      'two hashes swapped',
      proofText([second, first, third]),
      'RECEIPT_INCLUSION',
    ),
    changed(
      'receipt-proof-first',
      'a proof of the sibling',
      proofText(inclusionPath(2, hashes)),
      'RECEIPT_INCLUSION',
    ),
    changed(
      'receipt-proof-consistency',
      'a consistency proof',
      proofText(consistencyPath(3, hashes)),
      'RECEIPT_INCLUSION',
    ),
    changed(
      'receipt-size',
      'a size of another shape, signed',
      note(9, treeHash(hashes)),
      'RECEIPT_INCLUSION',
    ),
    changed('receipt-size-zero', 'an empty log, signed', note(0, sha256()), 'RECEIPT_INCLUSION'),
    changed(
      'receipt-root',
      'another root, signed',
      note(5, treeHash(leafHashes)),
      'RECEIPT_INCLUSION',
    ),
    changed('receipt-version', 'version 2', { v: '2' }, 'MALFORMED'),
    changed('receipt-no-leaf', 'no leaf', { leaf: '' }, 'MALFORMED'),
    changed('receipt-leaf-object', 'the leaf as an object', { leaf: parts.leaf }, 'MALFORMED'),
    changed(
      'receipt-leaf-space',
      'a leaf with a space',
      { leaf: JSON.stringify(`${parts.leaf} `) },
      'MALFORMED',
    ),
    changed('receipt-index-text', 'the index as text', { index: '"3"' }, 'MALFORMED'),
    changed('receipt-index-negative', 'a negative index', { index: '-1' }, 'MALFORMED'),
    changed(
      'receipt-proof-base64',
      'hashes in base64',
      { proof: `["${base64(first)}"]` },
      'MALFORMED',
    ),
    changed(
      'receipt-proof-54',
      '54 hashes',
      proofText(Array.from({ length: 54 }, () => first)),
      'MALFORMED',
    ),
    changed('receipt-salt-short', 'a salt of 31 bytes', { salt: fixed('salt', 31) }, 'MALFORMED'),
    changed(
      'receipt-checkpoint-crlf',
      'CRLF in the checkpoint',
      { checkpoint: JSON.stringify(parts.checkpoint.replaceAll('\n', '\r\n')) },
      'MALFORMED',
    ),
    changed(
      'receipt-checkpoint-text',
      'the text without signatures',
      { checkpoint: JSON.stringify(parts.checkpoint.split('\n\n')[0]) },
      'MALFORMED',
    ),
    changed(
      'receipt-size-zeros',
      'a leading zero in the size',
      note('05', treeHash(hashes)),
      'MALFORMED',
    ),
    changed('receipt-unknown-member', 'one member more', { signature: '"00"' }, 'MALFORMED'),
    receipt('receipt-trailing', 'a byte more', `${receiptText(parts)}\n`, 'MALFORMED'),
    receipt('receipt-truncated', 'a byte less', receiptText(parts).slice(0, -1), 'MALFORMED'),
  ];
}
