/** What attacks on records share: sessions of two callers, the one refusal, batches in parts. */
import { expect } from 'vitest';
import { concatBytes } from '../../../enclave/wire/bytes.ts';
import {
  SignBatchRequest,
  SignBatchResponse,
  SignResponse,
} from '../../../enclave/wire/gen/sealwright/v1/signing.ts';
import { METHODS } from '../../../enclave/wire/methods.ts';
import { requestOf } from '../fakes/world.ts';
import '../matchers.ts';
import { bodyOf, recordRequest, testIdentity, type SessionCaller } from '../session-caller.ts';
import type { Rig } from './rig.ts';
import { SessionHost, signIn } from './session-host.ts';

const NOTHING = new Uint8Array(0);
export const ci = testIdentity('ci');
export const deploy = testIdentity('deploy');

/** Against the enclave that is attacked when one of them is called. */
export function recordBed(theRig: () => Rig) {
  const host = (): SessionHost => new SessionHost(theRig());
  const opened = (identity = ci): Promise<SessionCaller> => host().open(identity);
  return {
    host,
    opened,
    /** A session that signed already. */
    working: async (identity = ci): Promise<SessionCaller> => {
      const session = await opened(identity);
      await signIn(session);
      return session;
    },
    /** The one refusal, and no leaf. */
    refused: async (record: Uint8Array, method: string = METHODS.callSession): Promise<void> => {
      await host().expectNothing(() =>
        expect(host().carry()(method, recordRequest(record))).toRefuseWith('SESSION_REFUSED', {}),
      );
    },
  };
}

/** The answer to a request that signs. */
export function signedBy(session: SessionCaller, records: readonly Uint8Array[]): SignResponse {
  const [answer = NOTHING, ...more] = records;
  expect(more).toEqual([]);
  return SignResponse.decode(bodyOf(session.records.receive(answer)));
}

/** The records of one batch of signatures, in three parts. */
export function batchRecords(session: SessionCaller, message = 'an item'): readonly Uint8Array[] {
  const item = requestOf('session', { message: Buffer.from(message) });
  const body = SignBatchRequest.encode({ items: [item, item, item] }).finish();
  const [a, b] = [Math.floor(body.length / 3), Math.floor((2 * body.length) / 3)];
  const { channel, record } = session.records.begin(
    session.request(METHODS.signBatch),
    body.subarray(0, a),
  );
  const second = session.records.next(channel, body.subarray(a, b), false);
  const third = session.records.next(channel, body.subarray(b), true);
  return [record, second.record, third.record];
}

export function batchOf(session: SessionCaller, records: readonly Uint8Array[]): SignBatchResponse {
  const bodies = records.map((record) => bodyOf(session.records.receive(record)));
  return SignBatchResponse.decode(concatBytes(...bodies));
}

export const flipped = (bytes: Uint8Array, at: number, mask = 1): Uint8Array =>
  bytes.map((byte, i) => (i === at ? byte ^ mask : byte));
