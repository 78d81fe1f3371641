// Vectors of docs/spec/session.md: openings of each suite with all that is computed on the way, openings that are refused,
// Accepts that are refused, and records.
import { sessionRecordCases } from '../session-record-vectors.ts';
import { ed25519Caller, p256Caller, type VectorCaller } from '../vector-callers.ts';
import {
  fixedBytes,
  hex,
  sha256,
  vector,
  type VectorCase,
  type VectorFile,
} from '../vector-file.ts';
import { HPKE_SUITES, i2osp, setupSender, type Context, type KemPair } from '../vector-hpke.ts';
import { TO_CLIENT_CIPHERTEXT, TO_ENCLAVE_CIPHERTEXT } from '../vector-kem-ciphertexts.ts';

type Suite = 1 | 2 | 3;

const label = (text: string): Uint8Array => Buffer.from(`${text}\0`);
const lp = (bytes: Uint8Array): Uint8Array => Buffer.concat([i2osp(bytes.byteLength, 4), bytes]);
const concat = (...parts: readonly Uint8Array[]): Uint8Array =>
  Uint8Array.from(Buffer.concat(parts));

/** Zero bytes up to the next power of two from 4,096. */
function pad(content: Uint8Array): Uint8Array {
  let length = 4096;
  while (length < content.byteLength) length *= 2;
  return concat(content, new Uint8Array(length - content.byteLength));
}

const clusterId = fixedBytes('session cluster', 32);
const evidenceDigest = fixedBytes('session evidence', 32);
const sessionId = fixedBytes('session id', 16);
const caller = ed25519Caller('release-bot');
const other = ed25519Caller('somebody-else');
const PRINCIPAL = 'spiffe://vectors.example/release-bot';
const CLIENT_TIME_MS = 1_790_000_000_123;
const ENCLAVE_TIME_MS = 1_790_000_000_456;
const checkpoint = Buffer.from('simulated/vectors.example\n7\n', 'utf8');

/** What can be otherwise in an Open that is to be refused. */
interface Changes {
  readonly clusterId?: Uint8Array;
  readonly evidenceDigest?: Uint8Array;
  readonly suiteOnWire?: number;
  readonly version?: number;
  readonly certificates?: readonly Uint8Array[];
  readonly algorithm?: number;
  readonly signer?: VectorCaller;
  /** Instead of the real thing. */
  readonly signature?: Uint8Array;
  readonly oneTimeKey?: Uint8Array;
  readonly clientTimeMs?: bigint;
  readonly padded?: (content: Uint8Array) => Uint8Array;
  readonly wire?: (open: Uint8Array) => Uint8Array;
  readonly enc1?: Uint8Array;
  readonly count?: number;
}

interface Opened {
  readonly suite: Suite;
  readonly enclavePair: KemPair;
  readonly clientPair: KemPair;
  readonly info1: Uint8Array;
  readonly first: Context;
  readonly hello: Uint8Array;
  readonly h1: Uint8Array;
  readonly signatureInput: Uint8Array;
  readonly signature: Uint8Array;
  readonly content: Uint8Array;
  readonly ct1: Uint8Array;
  readonly open: Uint8Array;
}

const fixed = (suite: Suite, base64: string): Uint8Array | undefined =>
  suite === 3 ? Uint8Array.from(Buffer.from(base64, 'base64')) : undefined;

const ephemeral = (suite: Suite, which: string): Uint8Array =>
  fixedBytes(`session ephemeral ${which} ${String(suite)}`, 32);

function opening(suite: Suite, by: VectorCaller = caller, changes: Changes = {}): Opened {
  const { kem } = HPKE_SUITES[suite];
  const enclavePair = kem.derive(fixedBytes(`session hpke key ${String(suite)}`, 32));
  const clientPair = kem.derive(fixedBytes(`session one-time key ${String(suite)}`, 32));
  const info1 = concat(
    label('sealwright/session/v1/open'),
    i2osp(suite, 2),
    changes.clusterId ?? clusterId,
    changes.evidenceDigest ?? evidenceDigest,
  );
  const first = setupSender({
    suite,
    recipient: enclavePair,
    ephemeral: ephemeral(suite, 'open'),
    fixedCiphertext: fixed(suite, TO_ENCLAVE_CIPHERTEXT),
    info: info1,
  });
  const certificates = changes.certificates ?? [by.certificate];
  const hello = concat(
    lp(changes.oneTimeKey ?? clientPair.publicKey),
    i2osp(changes.clientTimeMs ?? CLIENT_TIME_MS, 8),
    lp(checkpoint),
    i2osp(changes.count ?? certificates.length, 1),
    ...certificates.map(lp),
  );
  const h1 = sha256(label('sealwright/session/v1/h1'), lp(info1), lp(first.enc), hello);
  const signatureInput = concat(label('sealwright/session/v1/client'), h1);
  const signature = changes.signature ?? (changes.signer ?? by).sign(signatureInput);
  const content = (changes.padded ?? pad)(
    concat(hello, i2osp(changes.algorithm ?? by.algorithm, 1), lp(signature)),
  );
  const ct1 = first.seal(content);
  const open = concat(
    i2osp(changes.version ?? 1, 1),
    i2osp(changes.suiteOnWire ?? suite, 2),
    evidenceDigest,
    lp(changes.enc1 ?? first.enc),
    lp(ct1),
  );
  const wire = changes.wire?.(open) ?? open;
  return {
    ...{ suite, enclavePair, clientPair, info1, first, hello, h1, signatureInput },
    ...{ signature, content, ct1, open: wire },
  };
}

interface AcceptChanges {
  readonly facts?: Uint8Array;
  readonly h2?: Uint8Array;
  readonly psk?: Uint8Array;
  readonly wire?: (accept: Uint8Array) => Uint8Array;
}

const factsOf = (
  notAfterMs: number,
  maxRecords = 2 ** 24,
  maxStreams = 64,
  enclaveTimeMs = ENCLAVE_TIME_MS,
): Uint8Array =>
  concat(
    sessionId,
    lp(Buffer.from(PRINCIPAL)),
    i2osp(notAfterMs, 8),
    i2osp(3, 8),
    i2osp(enclaveTimeMs, 8),
    lp(checkpoint),
    i2osp(maxRecords, 4),
    i2osp(maxStreams, 4),
  );

const NOT_AFTER_MS = ENCLAVE_TIME_MS + 3_600_000;

function accepting({ suite, first, h1, ct1, clientPair }: Opened, changes: AcceptChanges = {}) {
  const psk = changes.psk ?? first.exportSecret(label('sealwright/session/v1/psk'));
  const h2 = changes.h2 ?? sha256(label('sealwright/session/v1/h2'), h1, sha256(ct1));
  const info2 = concat(label('sealwright/session/v1/accept'), i2osp(suite, 2), h2);
  const second = setupSender({
    suite,
    recipient: clientPair,
    ephemeral: ephemeral(suite, 'accept'),
    fixedCiphertext: fixed(suite, TO_CLIENT_CIPHERTEXT),
    info: info2,
    psk: { key: psk, id: h2 },
  });
  const content = changes.facts ?? pad(factsOf(NOT_AFTER_MS));
  const ct2 = second.seal(content);
  const accept = concat(i2osp(1, 1), lp(second.enc), lp(ct2));
  return {
    ...{ psk, h2, info2, content, enc2: second.enc, ct2 },
    accept: changes.wire?.(accept) ?? accept,
    kC: second.exportSecret(label('sealwright/session/v1/c2e')),
    kE: second.exportSecret(label('sealwright/session/v1/e2c')),
  };
}

/** What both sides are given. `ikm` is what RFC 9180 §7.1.3 derives a key pair from; seeds of X25519 in suite 3 are raw. */
function given({ suite, enclavePair, clientPair }: Opened, by: VectorCaller) {
  return {
    suite,
    clusterId: hex(clusterId),
    evidenceDigest: hex(evidenceDigest),
    hpkeKeyIkm: hex(enclavePair.ikm),
    hpkeKey: hex(enclavePair.publicKey),
    oneTimeKeyIkm: hex(clientPair.ikm),
    openEphemeral: hex(ephemeral(suite, 'open')),
    acceptEphemeral: hex(ephemeral(suite, 'accept')),
    certificates: [hex(by.certificate)],
    algorithm: by.algorithm,
    clientTimeMs: CLIENT_TIME_MS,
    lastCheckpoint: hex(checkpoint),
    sessionId: hex(sessionId),
    principal: PRINCIPAL,
    notAfterMs: NOT_AFTER_MS,
    policyVersion: 3,
    enclaveTimeMs: ENCLAVE_TIME_MS,
    checkpoint: hex(checkpoint),
  };
}

function handshake(id: string, comment: string, suite: Suite, by: VectorCaller): VectorCase {
  const opened = opening(suite, by);
  const accepted = accepting(opened);
  return vector(
    id,
    comment,
    given(opened, by),
    'accept',
    {
      oneTimeKey: hex(opened.clientPair.publicKey),
      info1: hex(opened.info1),
      enc1: hex(opened.first.enc),
      hello: hex(opened.hello),
      h1: hex(opened.h1),
      signatureInput: hex(opened.signatureInput),
      signature: hex(opened.signature),
      openContent: hex(opened.content),
      ct1: hex(opened.ct1),
      open: hex(opened.open),
      psk: hex(accepted.psk),
      h2: hex(accepted.h2),
      info2: hex(accepted.info2),
      enc2: hex(accepted.enc2),
      acceptContent: hex(accepted.content),
      ct2: hex(accepted.ct2),
      accept: hex(accepted.accept),
      kC: hex(accepted.kC),
      kE: hex(accepted.kE),
    },
    ['handshake'],
  );
}

const EXTRA = Uint8Array.of(0);

/** Each is refused by an enclave that knows the caller `release-bot` only. */
function refusedOpens(): VectorCase[] {
  const refused = (id: string, comment: string, rule: string, changes: Changes): VectorCase => {
    const { open, enclavePair } = opening(1, caller, changes);
    const input = {
      clusterId: hex(clusterId),
      evidenceDigest: hex(evidenceDigest),
      hpkeKeyIkm: hex(enclavePair.ikm),
      known: hex(caller.certificate),
      open: hex(open),
    };
    return vector(id, comment, input, rule, undefined, ['open']);
  };
  const flipped =
    (at: number) =>
    (open: Uint8Array): Uint8Array =>
      open.map((byte, i) => (i === (at + open.length) % open.length ? byte ^ 1 : byte));
  return [
    refused('open-version', 'another version', 'MESSAGE', { version: 2 }),
    refused('open-truncated', 'the last byte is missing', 'MESSAGE', {
      wire: (open) => open.slice(0, -1),
    }),
    refused('open-trailing', 'a byte after ct1', 'MESSAGE', {
      wire: (open) => concat(open, EXTRA),
    }),
    refused('open-empty', 'no bytes', 'MESSAGE', { wire: () => new Uint8Array(0) }),
    refused('open-suite-unknown', 'a suite that is not in the table', 'SUITE', { suiteOnWire: 4 }),
    refused('open-suite-0', 'no suite', 'SUITE', { suiteOnWire: 0 }),
    refused('open-suite-other', 'a suite that the evidence has no key of', 'EVIDENCE', {
      suiteOnWire: 2,
    }),
    refused('open-evidence-unknown', 'evidence that is not ours', 'EVIDENCE', {
      wire: flipped(3),
    }),
    refused('open-enc-long', 'enc1 is a byte longer', 'LENGTH', {
      enc1: concat(fixedBytes('enc', 32), EXTRA),
    }),
    refused('open-enc-zero', 'enc1 is the neutral point', 'HPKE', { enc1: new Uint8Array(32) }),
    refused('open-ciphertext', 'a flipped bit of ct1', 'HPKE', { wire: flipped(-1) }),
    refused('open-other-cluster', 'made for another cluster under the same key', 'HPKE', {
      clusterId: fixedBytes('session other cluster', 32),
    }),
    refused('open-other-evidence', 'made for other evidence of the same key', 'HPKE', {
      evidenceDigest: fixedBytes('session other evidence', 32),
    }),
    refused('open-no-padding', 'not padded', 'CONTENT', { padded: (content) => content }),
    refused('open-long-padding', 'padded to the bucket after', 'CONTENT', {
      padded: (content) => concat(pad(content), new Uint8Array(4096)),
    }),
    refused('open-padding', 'padding that says something', 'CONTENT', {
      padded: (content) => pad(content).fill(1, -1),
    }),
    refused('open-no-certificate', 'no certificate', 'CONTENT', { certificates: [] }),
    refused('open-six-certificates', 'six certificates', 'CONTENT', {
      certificates: Array.from({ length: 6 }, () => caller.certificate),
    }),
    refused('open-count', 'one certificate fewer than said', 'CONTENT', { count: 2 }),
    refused('open-time', 'a time of 2^53', 'CONTENT', { clientTimeMs: 2n ** 53n }),
    refused('open-no-signature', 'an empty signature', 'CONTENT', { signature: new Uint8Array(0) }),
    refused('open-stranger', 'whom the policy does not know', 'CALLER', {
      certificates: [other.certificate],
      signer: other,
    }),
    refused('open-chain-swapped', 'somebody else signed for these certificates', 'SIGNATURE', {
      signer: other,
    }),
    refused('open-algorithm', 'the number of another algorithm', 'SIGNATURE', { algorithm: 1 }),
    refused('open-pkcs1', 'PKCS#1 v1.5', 'SIGNATURE', { algorithm: 5 }),
    refused('open-signature', 'a signature over nothing of it', 'SIGNATURE', {
      signature: caller.sign(Buffer.from('sealwright/session/v1/client\0')),
    }),
    refused('open-one-time-key', 'the one-time key is the neutral point', 'CLIENT_KEY', {
      oneTimeKey: new Uint8Array(32),
    }),
    refused('open-one-time-key-short', 'the one-time key is a byte short', 'CLIENT_KEY', {
      oneTimeKey: fixedBytes('short', 31),
    }),
  ];
}

/** Each is refused by the client of the first handshake. */
function refusedAccepts(): VectorCase[] {
  const opened = opening(1);
  const refused = (
    id: string,
    comment: string,
    rule: string,
    changes: AcceptChanges,
    of = opened,
  ): VectorCase =>
    vector(
      id,
      comment,
      {
        ...given(opened, caller),
        signature: hex(opened.signature),
        accept: hex(accepting(of, changes).accept),
      },
      rule,
      undefined,
      ['accept'],
    );
  const facts = (...values: Parameters<typeof factsOf>): AcceptChanges => ({
    facts: pad(factsOf(...values)),
  });
  return [
    refused('accept-version', 'another version', 'MESSAGE', {
      wire: (accept) => concat(Uint8Array.of(2), accept.slice(1)),
    }),
    refused('accept-truncated', 'the last byte is missing', 'MESSAGE', {
      wire: (accept) => accept.slice(0, -1),
    }),
    refused('accept-trailing', 'a byte after ct2', 'MESSAGE', {
      wire: (accept) => concat(accept, EXTRA),
    }),
    refused('accept-ciphertext', 'a flipped bit of ct2', 'HPKE', {
      wire: (accept) => accept.map((byte, i) => (i === accept.length - 1 ? byte ^ 1 : byte)),
    }),
    refused('accept-without-psk', 'by somebody who does not hold the HPKE key', 'HPKE', {
      psk: new Uint8Array(32),
    }),
    refused('accept-other-h2', 'bound to another opening', 'HPKE', {
      h2: fixedBytes('session other h2', 32),
    }),
    refused(
      'accept-other-caller',
      'for an opening of somebody else',
      'HPKE',
      {},
      opening(1, other),
    ),
    refused('accept-no-padding', 'not padded', 'CONTENT', { facts: factsOf(NOT_AFTER_MS) }),
    refused('accept-ended', 'ends when it begins', 'CONTENT', facts(ENCLAVE_TIME_MS)),
    refused('accept-no-records', 'no records', 'CONTENT', facts(NOT_AFTER_MS, 0)),
    refused(
      'accept-records',
      'more records than there can be',
      'CONTENT',
      facts(NOT_AFTER_MS, 2 ** 24 + 1),
    ),
    refused(
      'accept-streams',
      'more streams than there can be',
      'CONTENT',
      facts(NOT_AFTER_MS, 2 ** 24, 65),
    ),
  ];
}

export function makeVectors(): VectorFile[] {
  const cases = [
    handshake('x25519', 'suite 1, Ed25519', 1, caller),
    handshake('p256', 'suite 2, ES256', 2, p256Caller('release-bot')),
    handshake('hybrid', 'suite 3, Ed25519', 3, caller),
    ...refusedOpens(),
    ...refusedAccepts(),
    ...sessionRecordCases(),
  ];
  return [
    { file: 'session.json', content: { spec: 'docs/spec/session.md', specVersion: 1, cases } },
  ];
}
