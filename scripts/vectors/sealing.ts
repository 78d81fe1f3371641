// Vectors of docs/spec/sealing.md: the layout, its keys, and records that must not open.
import { createCipheriv } from 'node:crypto';
import { fixedBytes, hex, hkdf, vector, type VectorCase, type VectorFile } from '../vector-file.ts';

const label = (text: string): Uint8Array => Buffer.from(`${text}\0`);

function integer(value: bigint | number, length: number): Uint8Array {
  return Buffer.from(value.toString(16).padStart(2 * length, '0'), 'hex');
}

const lp = (text: string): Uint8Array =>
  Buffer.concat([integer(Buffer.byteLength(text), 4), Buffer.from(text)]);

export interface Name {
  readonly type: string;
  readonly id: string;
  readonly version: number;
}

export function aadOf(clusterId: Uint8Array, { type, id, version }: Name): Uint8Array {
  return Buffer.concat([
    label('sealwright/sealed/v1'),
    integer(1, 2),
    clusterId,
    lp(type),
    lp(id),
    integer(version, 8),
  ]);
}

/** Sealed bytes of a record. */
export function sealed(
  key: Uint8Array,
  clusterId: Uint8Array,
  name: Name,
  salt: Uint8Array,
  plaintext: Uint8Array,
): Uint8Array {
  const aad = aadOf(clusterId, name);
  const cipher = createCipheriv('aes-256-gcm', hkdf(key, salt, aad), new Uint8Array(12));
  cipher.setAAD(aad);
  const ciphertext = Buffer.concat([cipher.update(plaintext), cipher.final()]);
  const head = Buffer.concat([integer(1, 2), integer(name.version, 8), salt]);
  return Uint8Array.from(Buffer.concat([head, ciphertext, cipher.getAuthTag()]));
}

export function typeKeyOf(rootKey: Uint8Array, clusterId: Uint8Array, type: string): Uint8Array {
  return hkdf(rootKey, clusterId, Buffer.concat([label('sealwright/seal/type/v1'), lp(type)]));
}

const clusterId = fixedBytes('cluster id', 32);
const otherCluster = fixedBytes('other cluster id', 32);
const key = fixedBytes('type key', 32);
const salt = fixedBytes('salt', 32);
const plaintext = Buffer.from('{"v":1}');
const NAME: Name = { type: 'key', id: 'release/1', version: 3 };

function sealCase(id: string, comment: string, name: Name, text: Uint8Array): VectorCase {
  const input = {
    key: hex(key),
    clusterId: hex(clusterId),
    ...name,
    salt: hex(salt),
    plaintext: hex(text),
  };
  return vector(id, comment, input, 'accept', {
    aad: hex(aadOf(clusterId, name)),
    recordKey: hex(hkdf(key, salt, aadOf(clusterId, name))),
    sealed: hex(sealed(key, clusterId, name, salt, text)),
  });
}

function refusedCases(): VectorCase[] {
  const good = sealed(key, clusterId, NAME, salt, plaintext);
  const refused = (id: string, comment: string, changed: object): VectorCase =>
    vector(
      id,
      comment,
      { key: hex(key), clusterId: hex(clusterId), ...NAME, sealed: hex(good), ...changed },
      'SEAL',
      undefined,
      ['unseal'],
    );
  const flipped = (at: number): string =>
    hex(good.map((byte, i) => (i === (at + good.length) % good.length ? byte ^ 1 : byte)));
  return [
    refused('other-type', 'a policy can not stand in for a key', { type: 'policy' }),
    refused('other-id', 'nor one key for another', { id: 'release/2' }),
    refused('id-in-type', 'a byte can not move from the id to the type', {
      type: 'keyr',
      id: 'elease/1',
    }),
    refused('other-version', 'nor an older version for the newer', { version: 2 }),
    refused('other-version-in-head', 'nor when its head is changed too', {
      version: 2,
      sealed: flipped(9),
    }),
    refused('other-cluster', 'nor the record of another cluster', { clusterId: hex(otherCluster) }),
    refused('other-key', 'another key', { key: hex(salt) }),
    refused('format', 'another format', { sealed: flipped(1) }),
    refused('salt', 'a flipped bit of the salt', { sealed: flipped(10) }),
    refused('ciphertext', 'a flipped bit of the ciphertext', { sealed: flipped(42) }),
    refused('tag', 'a flipped bit of the tag', { sealed: flipped(-1) }),
    refused('truncated', 'the last byte is missing', { sealed: hex(good.subarray(0, -1)) }),
    refused('no-ciphertext', 'shorter than head and tag', { sealed: hex(good.subarray(0, 57)) }),
    refused('no-bytes', 'no bytes', { sealed: '' }),
    refused('trailing', 'a byte after the tag', { sealed: `${hex(good)}00` }),
  ];
}

function keyCases(): VectorCase[] {
  const secret = fixedBytes('platform secret', 32);
  const mac = fixedBytes('HSM mac', 32);
  const rootKey = fixedBytes('root key', 32);
  const derived = (id: string, comment: string, input: object, output: object): VectorCase =>
    vector(id, comment, { clusterId: hex(clusterId), ...input }, 'accept', { ...output }, [
      'derive',
    ]);
  return [
    derived(
      'boot-key',
      'platform secret boot/v1',
      { derive: 'boot', secret: hex(secret) },
      { key: hex(hkdf(secret, clusterId, label('sealwright/seal/boot/v1'))) },
    ),
    derived(
      'root-hmac-input',
      'what the HSM computes its HMAC over',
      { derive: 'root-hmac', generation: 2 },
      { data: hex(Buffer.concat([label('sealwright/seal/root/v1'), clusterId, integer(2, 4)])) },
    ),
    derived(
      'root-key',
      'platform secret root/v1 and HSM',
      { derive: 'root', secret: hex(secret), mac: hex(mac) },
      { key: hex(hkdf(Buffer.concat([secret, mac]), clusterId, label('sealwright/seal/root/v1'))) },
    ),
    ...['index', 'genesis', 'policy', 'log-key', 'so-pin', 'key'].map((type) =>
      derived(
        `type-key-${type}`,
        'one key per type of record',
        { derive: 'type', rootKey: hex(rootKey), type },
        { key: hex(typeKeyOf(rootKey, clusterId, type)) },
      ),
    ),
    derived(
      'enclave-key-hmac-input',
      'one secret of the HSM per key version',
      { derive: 'enclave-key-hmac', ring: 'release', version: 7 },
      {
        data: hex(
          Buffer.concat([label('sealwright/seal/key/v1'), clusterId, lp('release'), integer(7, 4)]),
        ),
      },
    ),
    derived(
      'enclave-key',
      'type key and HSM',
      { derive: 'enclave-key', typeKey: hex(key), mac: hex(mac) },
      { key: hex(hkdf(Buffer.concat([key, mac]), clusterId, label('sealwright/seal/key/v1'))) },
    ),
  ];
}

export function makeVectors(): VectorFile[] {
  const cases = [
    sealCase('key', 'a key record', NAME, plaintext),
    sealCase(
      'no-id',
      'a record that there is once',
      { type: 'policy', id: '', version: 1 },
      plaintext,
    ),
    sealCase('empty-plaintext', 'an empty plaintext', NAME, new Uint8Array(0)),
    sealCase('large-version', '2^53 - 1', { ...NAME, version: Number.MAX_SAFE_INTEGER }, plaintext),
    ...refusedCases(),
    ...keyCases(),
  ];
  return [
    { file: 'sealing.json', content: { spec: 'docs/spec/sealing.md', specVersion: 1, cases } },
  ];
}
