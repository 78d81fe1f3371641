// Vectors of docs/spec/state-index.md: the index, the hint, and the records that boot reads. The documents are
// written out as text: their bytes are what is hashed.
import {
  fixedBytes,
  hex,
  sha256,
  vector,
  type VectorCase,
  type VectorFile,
} from '../vector-file.ts';
import { sealed, typeKeyOf } from './sealing.ts';

const fixed = (name: string, length = 32): string => hex(fixedBytes(name, length));

const entry = (type: string, id: string, version = 1): string =>
  `{"digest":"${fixed(`record ${type}/${id}`)}","id":"${id}","type":"${type}","version":${String(version)}}`;

const RECORDS = [
  entry('boot', ''),
  entry('genesis', ''),
  entry('key', 'release/1'),
  entry('key', 'release/2', 2),
  entry('log-key', ''),
  entry('policy', ''),
  entry('root', ''),
  entry('so-pin', ''),
];

/** A canonical object; a member without a value is left out. */
function objectText(members: Readonly<Record<string, string>>): string {
  const names = Object.keys(members)
    .filter((name) => members[name] !== '')
    .sort();
  return `{${names.map((name) => `"${name}":${members[name] ?? ''}`).join(',')}}`;
}

/** The index as text, with some members replaced. */
function indexText(changed: Readonly<Record<string, string>> = {}): string {
  return objectText({
    adminDigest: `"${'00'.repeat(32)}"`,
    adminSequence: '0',
    clusterId: `"${fixed('cluster id')}"`,
    epoch: '2',
    instanceId: `"${fixed('instance', 16)}"`,
    logEdge: '[]',
    logRoot: `"${hex(sha256())}"`,
    logSize: '0',
    policyAppliedAtMs: '1893455000000',
    policyDigest: `"${fixed('policy digest')}"`,
    policyVersion: '1',
    previous: `"${fixed('previous index')}"`,
    records: `[${RECORDS.join(',')}]`,
    svn: '1',
    timeMarkMs: '1893456000000',
    v: '1',
    ...changed,
  });
}

const read = (id: string, comment: string, document: string, text: string): VectorCase =>
  vector(id, comment, { document, text }, 'accept', { sha256: hex(sha256(Buffer.from(text))) });

const refused = (
  id: string,
  comment: string,
  document: string,
  text: string,
  place: string,
): VectorCase => vector(id, comment, { document, text }, 'SCHEMA', { place });

function indexCases(): VectorCase[] {
  const no = (
    id: string,
    comment: string,
    changed: Readonly<Record<string, string>>,
    place: string,
  ) => refused(id, comment, 'index', indexText(changed), place);
  const records = (...entries: readonly string[]): Record<string, string> => ({
    records: `[${entries.join(',')}]`,
  });
  return [
    read('index', 'every type of record', 'index', indexText()),
    read(
      'index-first',
      'epoch 1 has no predecessor',
      'index',
      indexText({ epoch: '1', previous: `"${'00'.repeat(32)}"` }),
    ),
    read(
      'index-log',
      'a log of three leaves: the roots of two subtrees',
      'index',
      indexText({
        logEdge: `["${fixed('subtree of two')}","${fixed('subtree of one')}"]`,
        logRoot: `"${fixed('log root')}"`,
        logSize: '3',
      }),
    ),
    read(
      'index-statements',
      'after seven admin statements',
      'index',
      indexText({ adminDigest: `"${fixed('admin digest')}"`, adminSequence: '7' }),
    ),
    read('index-empty', 'no records', 'index', indexText(records())),
    no('index-v2', 'a later version', { v: '2' }, '/v'),
    no('index-no-epoch', 'a member is missing', { epoch: '' }, '/epoch'),
    no('index-epoch-0', 'epochs count from 1', { epoch: '0' }, '/epoch'),
    no('index-epoch-text', 'a number is no text', { epoch: '"2"' }, '/epoch'),
    no('index-unknown-member', 'a closed schema', { zzz: 'true' }, '/zzz'),
    no('index-short-digest', '31 bytes', { previous: `"${fixed('x', 31)}"` }, '/previous'),
    no(
      'index-upper-hex',
      'upper-case hex',
      { clusterId: `"${fixed('cluster id').toUpperCase()}"` },
      '/clusterId',
    ),
    no('index-no-admin-digest', 'a member is missing', { adminDigest: '' }, '/adminDigest'),
    no('index-admin-digest', '31 bytes', { adminDigest: `"${fixed('x', 31)}"` }, '/adminDigest'),
    no('index-negative', 'a negative size', { logSize: '-1' }, '/logSize'),
    no('index-edge', 'a subtree of 31 bytes', { logEdge: `["${fixed('x', 31)}"]` }, '/logEdge/0'),
    no('index-edge-number', 'a subtree is text', { logEdge: '[1]' }, '/logEdge/0'),
    no('index-records-object', 'records are a list', { records: '{}' }, '/records'),
    no(
      'index-unsorted',
      'records out of order',
      records(entry('root', ''), entry('boot', '')),
      '/records/1',
    ),
    no(
      'index-twice',
      'a record twice',
      records(entry('boot', ''), entry('boot', '', 2)),
      '/records/1',
    ),
    no('index-type', 'a type that is none', records(entry('index', '')), '/records/0/type'),
    no(
      'index-id',
      'an id with a dot could be another record in the store',
      records(entry('key', 'a/1.2')),
      '/records/0/id',
    ),
    no(
      'index-version-0',
      'versions count from 1',
      records(entry('boot', '', 0)),
      '/records/0/version',
    ),
    no('index-entry-text', 'an entry is an object', { records: '["boot"]' }, '/records/0'),
    no(
      'index-entry-member',
      'a closed schema, inside too',
      { records: `[${entry('boot', '').replace('"version":1', '"version":1,"x":1')}]` },
      '/records/0/x',
    ),
  ];
}

function hintCases(): VectorCase[] {
  const sealedBy = (changed: Readonly<Record<string, string>> = {}): string =>
    objectText({
      mr0: `"${fixed('mr0', 48)}"`,
      mr1: `"${fixed('mr1', 48)}"`,
      mr2: `"${fixed('mr2', 48)}"`,
      platformId: `"${fixed('platform')}"`,
      ...changed,
    });
  const hint = (changed: Readonly<Record<string, string>> = {}): string =>
    objectText({
      bootVersion: '1',
      clusterId: `"${fixed('cluster id')}"`,
      rootVersion: '1',
      sealedBy: sealedBy(),
      v: '1',
      ...changed,
    });
  return [
    read('hint', 'what lies beside the sealed state', 'cluster', hint()),
    refused(
      'hint-version-0',
      'versions count from 1',
      'cluster',
      hint({ bootVersion: '0' }),
      '/bootVersion',
    ),
    refused(
      'hint-no-sealed-by',
      'a member is missing',
      'cluster',
      hint({ sealedBy: '' }),
      '/sealedBy',
    ),
    refused(
      'hint-register',
      '47 bytes',
      'cluster',
      hint({ sealedBy: sealedBy({ mr1: `"${fixed('x', 47)}"` }) }),
      '/sealedBy/mr1',
    ),
    refused(
      'hint-register-3',
      'a register that is none',
      'cluster',
      hint({ sealedBy: sealedBy({ mr3: '""' }) }),
      '/sealedBy/mr3',
    ),
    refused('hint-list', 'a list', 'cluster', '[]', ''),
  ];
}

function bootCases(): VectorCase[] {
  const boot = (changed: Readonly<Record<string, string>> = {}): string =>
    objectText({
      generation: '1',
      rootSecretId: `"${fixed('secret id', 16)}"`,
      svn: '1',
      tokenManufacturer: '"Hersteller für Schlüssel"',
      tokenModel: '"Model 1"',
      tokenSerial: '"0123456789abcdef"',
      userPin: `"${Buffer.from('0123456789abcdef0123456789abcdef').toString('hex')}"`,
      v: '1',
      ...changed,
    });
  return [
    read('boot', 'a token that names itself in UTF-8', 'boot', boot()),
    refused('boot-short-pin', 'three bytes', 'boot', boot({ userPin: '"313233"' }), '/userPin'),
    refused(
      'boot-pin-half-byte',
      'half a byte',
      'boot',
      boot({ userPin: '"313233343"' }),
      '/userPin',
    ),
    refused(
      'boot-control',
      'a control character',
      'boot',
      boot({ tokenModel: '"a\\u0000"' }),
      '/tokenModel',
    ),
    refused(
      'boot-secret-id',
      '15 bytes',
      'boot',
      boot({ rootSecretId: `"${fixed('x', 15)}"` }),
      '/rootSecretId',
    ),
    refused(
      'boot-generation-0',
      'generations count from 1',
      'boot',
      boot({ generation: '0' }),
      '/generation',
    ),
  ];
}

function keyCases(): VectorCase[] {
  const key = (changed: Readonly<Record<string, string>> = {}): string =>
    objectText({
      algorithm: '"ES256"',
      birthEpoch: '1',
      createdAtMs: '1893456000000',
      lowestRank: '"mtls"',
      maxBytes: '61440',
      payloadKind: '"message"',
      publicKey: `"${fixed('public key', 64)}"`,
      ring: '"release"',
      state: '"active"',
      tokenObjectId: `"${fixed('object id', 16)}"`,
      v: '1',
      version: '1',
      ...changed,
    });
  return [
    read('key-hsm', 'a key of the token', 'key', key()),
    read(
      'key-enclave',
      'a key of the enclave',
      'key',
      key({ sealedPrivateKey: `"${fixed('sealed', 64)}"` }),
    ),
    refused(
      'key-algorithm',
      'an algorithm that is none',
      'key',
      key({ algorithm: '"ES256K"' }),
      '/algorithm',
    ),
    refused(
      'key-algorithm-proto',
      'nor is what every object has',
      'key',
      key({ algorithm: '"constructor"' }),
      '/algorithm',
    ),
    refused('key-state', 'a state that is none', 'key', key({ state: '"enabled"' }), '/state'),
    refused('key-version-0', 'versions count from 1', 'key', key({ version: '0' }), '/version'),
    refused('key-version-large', '2^32', 'key', key({ version: '4294967296' }), '/version'),
    refused('key-ring', 'a name with a slash', 'key', key({ ring: '"a/b"' }), '/ring'),
    refused(
      'key-object-id',
      '17 bytes',
      'key',
      key({ tokenObjectId: `"${fixed('x', 17)}"` }),
      '/tokenObjectId',
    ),
    refused('key-empty-public', 'no public key', 'key', key({ publicKey: '""' }), '/publicKey'),
    refused(
      'key-plain-private',
      'a private key has no place',
      'key',
      key({ privateKey: '"00"' }),
      '/privateKey',
    ),
  ];
}

/** The index as the store holds it, and the digest by which the anchor and the next index name it. */
function sealedCase(): VectorCase {
  const rootKey = fixedBytes('root key', 32);
  const clusterId = fixedBytes('cluster id', 32);
  const salt = fixedBytes('salt', 32);
  const text = indexText();
  const name = { type: 'index', id: '', version: 2 };
  const bytes = sealed(
    typeKeyOf(rootKey, clusterId, 'index'),
    clusterId,
    name,
    salt,
    Buffer.from(text),
  );
  return vector(
    'index-sealed',
    'version of the record is the epoch; its digest names it',
    { document: 'index', rootKey: hex(rootKey), clusterId: hex(clusterId), salt: hex(salt), text },
    'accept',
    { sealed: hex(bytes), digest: hex(sha256(bytes)) },
    ['sealed'],
  );
}

export function makeVectors(): VectorFile[] {
  const cases = [...indexCases(), sealedCase(), ...hintCases(), ...bootCases(), ...keyCases()];
  return [
    {
      file: 'state-index.json',
      content: { spec: 'docs/spec/state-index.md', specVersion: 1, cases },
    },
  ];
}
