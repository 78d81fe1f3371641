// Vectors of docs/spec/signed-call.md: what is signed, and what an enclave of one cluster and one caller makes of a call.
import { ed25519Caller, p256Caller, type VectorCaller } from '../vector-callers.ts';
import {
  fixedBytes,
  hex,
  sha256,
  vector,
  type VectorCase,
  type VectorFile,
} from '../vector-file.ts';
import { i2osp } from '../vector-hpke.ts';

const concat = (...parts: readonly Uint8Array[]): Uint8Array =>
  Uint8Array.from(Buffer.concat(parts));
const lp = (bytes: Uint8Array): Uint8Array => concat(i2osp(bytes.byteLength, 4), bytes);

const clusterId = fixedBytes('signed call cluster', 32);
const caller = ed25519Caller('release-bot');
const other = ed25519Caller('somebody-else');
const STARTED_MS = 1_790_000_000_000;
const NOW_MS = STARTED_MS + 3_600_000;
const SIGN = '/sealwright.v1.SigningService/Sign';

interface Call {
  readonly clusterId?: Uint8Array;
  readonly label?: string;
  readonly method?: string;
  readonly requestId?: Uint8Array;
  readonly notAfterMs?: number | bigint;
  readonly request?: Uint8Array;
}

function inputOf(call: Call): Uint8Array {
  return concat(
    Buffer.from(`${call.label ?? 'sealwright/request/v1'}\0`),
    call.clusterId ?? clusterId,
    lp(Buffer.from(call.method ?? SIGN)),
    call.requestId ?? fixedBytes('signed call request', 16),
    i2osp(call.notAfterMs ?? NOW_MS + 50_000, 8),
    sha256(call.request ?? Buffer.from('request')),
  );
}

interface Sent extends Call {
  readonly certificates?: readonly Uint8Array[];
  readonly algorithm?: number;
  readonly signature?: Uint8Array;
}

/** As it travels; `signed` is what the caller had in mind, where the host changed something. */
function sent(call: Sent, by: VectorCaller = caller, signed: Call = call) {
  return {
    method: call.method ?? SIGN,
    request: hex(call.request ?? Buffer.from('request')),
    requestId: hex(call.requestId ?? fixedBytes('signed call request', 16)),
    notAfterMs: String(call.notAfterMs ?? NOW_MS + 50_000),
    certificates: (call.certificates ?? [by.certificate]).map(hex),
    algorithm: call.algorithm ?? by.algorithm,
    signature: hex(call.signature ?? by.sign(inputOf(signed))),
  };
}

/** The enclave that judges. */
const enclave = {
  clusterId: hex(clusterId),
  startedMs: STARTED_MS,
  nowMs: NOW_MS,
  known: [caller.certificate, p256Caller('release-bot').certificate].map(hex),
};

function acceptedCases(): VectorCase[] {
  const accepted = (id: string, comment: string, by: VectorCaller, call: Call = {}): VectorCase =>
    vector(id, comment, { ...enclave, calls: [sent(call, by)] }, 'accept', {
      input: hex(inputOf(call)),
      signature: hex(by.sign(inputOf(call))),
    });
  return [
    accepted('ed25519', 'EdDSA', caller),
    accepted('p256', 'ES256', p256Caller('release-bot')),
    accepted('empty-request', 'an empty request', caller, { request: new Uint8Array(0) }),
    accepted('last-moment', 'void after this millisecond', caller, { notAfterMs: NOW_MS }),
    accepted('longest', '60 s ahead', caller, { notAfterMs: NOW_MS + 60_000 }),
  ];
}

function refusedCases(): VectorCase[] {
  const refused = (
    id: string,
    comment: string,
    rule: string,
    call: Sent,
    more: { by?: VectorCaller; signed?: Call; at?: object } = {},
  ): VectorCase =>
    vector(
      id,
      comment,
      { ...enclave, ...more.at, calls: [sent(call, more.by, more.signed ?? call)] },
      rule,
    );
  const altered = (id: string, comment: string, call: Call): VectorCase =>
    refused(id, comment, 'SIGNATURE', call, { signed: {} });
  const AT_START = { nowMs: STARTED_MS + 1000 };
  return [
    refused('request-id-short', '15 bytes', 'MESSAGE', { requestId: new Uint8Array(15) }),
    refused('method-empty', 'no method', 'MESSAGE', { method: '' }),
    refused('method-long', '129 characters', 'MESSAGE', { method: `/a/${'b'.repeat(126)}` }),
    refused('time-large', '2^53', 'MESSAGE', { notAfterMs: 2n ** 53n }),
    refused('no-certificate', 'no certificate', 'MESSAGE', { certificates: [] }),
    refused('six-certificates', 'six certificates', 'MESSAGE', {
      certificates: Array.from({ length: 6 }, () => caller.certificate),
    }),
    refused('no-signature', 'no signature', 'MESSAGE', { signature: new Uint8Array(0) }),
    refused('method-session', 'a session inside', 'METHOD', {
      method: '/sealwright.v1.SessionService/OpenSession',
    }),
    refused('method-itself', 'a signed call inside', 'METHOD', {
      method: '/sealwright.v1.SessionService/CallSigned',
    }),
    refused('expired', 'a millisecond late', 'EXPIRED', { notAfterMs: NOW_MS - 1 }),
    refused('too-far', 'a millisecond too far ahead', 'TOO_FAR', { notAfterMs: NOW_MS + 60_001 }),
    refused(
      'restarted',
      'the enclave before could have carried it out',
      'RESTARTED',
      { notAfterMs: STARTED_MS + 60_000 },
      { at: AT_START },
    ),
    refused('stranger', 'whom the policy does not know', 'CALLER', {}, { by: other }),
    refused('chain-swapped', "somebody else's certificate", 'SIGNATURE', {
      certificates: [caller.certificate],
      signature: other.sign(inputOf({})),
    }),
    altered('altered-request', 'another request', { request: Buffer.from('Request') }),
    altered('altered-method', 'another method', {
      method: '/sealwright.v1.SigningService/SignBatch',
    }),
    altered('altered-id', 'another id: a replay in disguise', {
      requestId: fixedBytes('another request', 16),
    }),
    altered('altered-time', 'a later end', { notAfterMs: NOW_MS + 50_001 }),
    refused(
      'other-cluster',
      'signed for another cluster',
      'SIGNATURE',
      {},
      {
        signed: { clusterId: fixedBytes('another cluster', 32) },
      },
    ),
    refused(
      'other-label',
      'a signature of another protocol',
      'SIGNATURE',
      {},
      {
        signed: { label: 'sealwright/session/v1/client' },
      },
    ),
    refused('algorithm', 'the number of another algorithm', 'SIGNATURE', { algorithm: 1 }),
    refused('pkcs1', 'PKCS#1 v1.5', 'SIGNATURE', { algorithm: 5 }),
    vector(
      'replayed',
      'the same call twice',
      { ...enclave, calls: [sent({}), sent({})] },
      'REPLAYED',
    ),
    vector(
      'replayed-by-other-key',
      'the same id, of the same principal, with another key',
      { ...enclave, calls: [sent({}), sent({}, p256Caller('release-bot'))] },
      'REPLAYED',
    ),
    vector(
      'replayed-later-request',
      'the same id for another request',
      { ...enclave, calls: [sent({}), sent({ request: Buffer.from('second') })] },
      'REPLAYED',
    ),
  ];
}

export function makeVectors(): VectorFile[] {
  const cases = [...acceptedCases(), ...refusedCases()];
  return [
    {
      file: 'signed-call.json',
      content: { spec: 'docs/spec/signed-call.md', specVersion: 1, cases },
    },
  ];
}
