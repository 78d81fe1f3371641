/**
 * What the callers' messages travel in: as they are, or in a session (docs/spec/session.md). All connections of the
 * callers' process share one session, as a client's library has it.
 */
import { createHash, createPrivateKey, randomBytes, sign, X509Certificate } from 'node:crypto';
import { ALGORITHMS } from '../../enclave/wire/algorithm.ts';
import { fromHex, utf8 } from '../../enclave/wire/bytes.ts';
import { encodeMessage } from '../../enclave/wire/encode-message.ts';
import {
  CallSessionRequest,
  CallSessionResponse,
  OpenSessionRequest,
  OpenSessionResponse,
} from '../../enclave/wire/gen/sealwright/v1/session.ts';
import { evidenceDigestInput } from '../../enclave/wire/layouts.ts';
import { METHODS } from '../../enclave/wire/methods.ts';
import { ClientRecords } from '../../enclave/wire/session/client-records.ts';
import { openSession, type OpenRequest } from '../../enclave/wire/session/client.ts';
import { nodeAead } from '../../enclave/wire/session/node-aead.ts';
import { REQUEST_ID_BYTES } from '../../enclave/wire/session/record-content.ts';
import { suiteOf } from '../../enclave/wire/session/suites.ts';
import type { Claims } from './claims.ts';
import { Http2Caller, type CalledMethod, type Target } from './http2-caller.ts';

/** Whom a session is opened with. */
export type SessionPeer = Pick<OpenRequest, 'target' | 'hpkeKey'>;

/** Which way its records go: a call each, or all of a connection in one. */
export type Carrier = 'callSession' | 'streamSession';

export interface Channel {
  /** What carries the messages. */
  readonly method: CalledMethod;
  wrap(message: Uint8Array): Uint8Array;
  /** Throws for an answer that is not the one to a message of this channel, or that is a refusal. */
  unwrap(answer: Uint8Array): Uint8Array;
}

export function plainChannel(path: string): Channel {
  return {
    method: { path, streams: false },
    wrap: (message) => message,
    unwrap: (answer) => answer,
  };
}

export function sessionPeer({ text, member }: Claims): SessionPeer {
  return {
    target: {
      suite: suiteOf(member('suite')),
      clusterId: fromHex(member('clusterId')),
      evidenceDigest: createHash('sha256')
        .update(evidenceDigestInput(utf8(text)))
        .digest(),
    },
    hpkeKey: fromHex(member('hpkeKey')),
  };
}

/** Random bytes are drawn for so many request ids at once, as `randomUUID` does. */
const IDS_AT_ONCE = 256;

function requestIds(): () => Uint8Array {
  let pool = randomBytes(0);
  let at = 0;
  return () => {
    if (at === pool.byteLength) {
      pool = randomBytes(IDS_AT_ONCE * REQUEST_ID_BYTES);
      at = 0;
    }
    at += REQUEST_ID_BYTES;
    return pool.subarray(at - REQUEST_ID_BYTES, at);
  };
}

/** Longer than any measurement. */
const DEADLINE_MS = 3_600_000;

/** Opens a session for calls of `method`, as the caller of the target's certificate. */
export async function sessionChannel(
  target: Target,
  peer: SessionPeer,
  carrier: Carrier,
  method: string,
): Promise<Channel> {
  const { facts, keys } = await open(target, peer);
  const { suite } = peer.target;
  const records = new ClientRecords({
    ...facts,
    toEnclave: nodeAead(suite, keys.toEnclave),
    toClient: nodeAead(suite, keys.toClient),
  });
  const nextId = requestIds();
  return {
    method: { path: METHODS[carrier], streams: carrier === 'streamSession' },
    wrap(message) {
      const call = { method, requestId: nextId(), deadlineMs: DEADLINE_MS };
      const { record } = records.unary(call, message);
      // StreamSession's messages have the same form.
      return encodeMessage(CallSessionRequest, { record });
    },
    unwrap(answer) {
      const [record, ...more] = CallSessionResponse.decode(answer).records;
      if (record === undefined || more.length > 0) throw new Error('not one record');
      const { status, body } = records.receive(record);
      if (status.code !== 0) throw new Error(`refused inside with ${String(status.code)}`);
      return body;
    },
  };
}

async function open(target: Target, peer: SessionPeer) {
  const key = createPrivateKey(Buffer.from(target.key));
  const opening = await openSession({
    ...peer,
    identity: {
      certificates: [new X509Certificate(target.cert).raw],
      algorithm: ALGORITHMS.ES256.wire,
      sign: (input) => Promise.resolve(sign('sha256', input, key)),
    },
    clientTimeMs: Date.now(),
    lastCheckpoint: new Uint8Array(0),
  });
  const caller = await Http2Caller.connect(target, { path: METHODS.openSession, streams: false });
  try {
    const answer = await caller.call(OpenSessionRequest.encode({ open: opening.message }).finish());
    return await opening.finish(OpenSessionResponse.decode(answer).accept);
  } finally {
    caller.close();
  }
}
