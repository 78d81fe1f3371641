import { hash, X509Certificate } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { SeenRequests } from '../../enclave/core/seen-requests.ts';
import {
  SignedCallRefused,
  SignedCalls,
  type AdmittedCall,
} from '../../enclave/core/signed-calls.ts';
import { fromHex, toHex } from '../../enclave/wire/bytes.ts';
import type { CallSignedRequest } from '../../enclave/wire/gen/sealwright/v1/session.ts';
import {
  MAX_SIGNED_CALLS,
  MAX_SIGNED_CALLS_OF_PRINCIPAL,
  SIGNED_CALL_MS,
} from '../../enclave/wire/limits.ts';
import { SIGNED_CALLS } from '../../enclave/wire/methods.ts';
import { signedCallInput } from '../../enclave/wire/signed-call.ts';
import { outputOf, readVectors } from '../support/vectors.ts';
import { identifiedChain } from '../support/identified-chain.ts';

/** A second of work, on a machine that has other work too. */
const LOADED_MS = 60_000;

interface Call {
  readonly method: string;
  readonly request: string;
  readonly requestId: string;
  readonly notAfterMs: string;
  readonly certificates: readonly string[];
  readonly algorithm: number;
  readonly signature: string;
}

interface Input {
  readonly clusterId: string;
  readonly startedMs: number;
  readonly nowMs: number;
  readonly known: readonly string[];
  readonly calls: readonly Call[];
}

const vectors = readVectors<Input, { readonly input: string; readonly signature: string }>(
  'signed-call.json',
);
const named = vectors.map((vector) => [vector.id, vector] as const);

const requestOf = (call: Call): CallSignedRequest => ({
  method: call.method,
  request: fromHex(call.request),
  requestId: fromHex(call.requestId),
  notAfterMs: BigInt(call.notAfterMs),
  certificates: call.certificates.map(fromHex),
  algorithm: call.algorithm as CallSignedRequest['algorithm'],
  signature: fromHex(call.signature),
});

function enclaveOf({ clusterId, startedMs, known }: Input): SignedCalls {
  return new SignedCalls(
    {
      clusterId: fromHex(clusterId),
      isCallable: (method) => SIGNED_CALLS.has(method),
      identify: ([leaf]) =>
        leaf !== undefined && known.includes(toHex(leaf))
          ? identifiedChain('release-bot', new X509Certificate(leaf).publicKey)
          : undefined,
    },
    startedMs,
  );
}

/** What the last of the calls gives. */
function last(input: Input): AdmittedCall {
  const enclave = enclaveOf(input);
  const [admitted] = input.calls
    .map((call) => enclave.admit(requestOf(call), input.nowMs))
    .reverse();
  if (admitted === undefined) throw new RangeError('no call');
  return admitted;
}

describe('a signed call', () => {
  test.each(named)('%s', (_id, vector) => {
    const { input, expect: rule } = vector;
    if (rule !== 'accept') {
      let refused: unknown;
      try {
        last(input);
      } catch (error) {
        refused = error;
      }
      expect(refused).toBeInstanceOf(SignedCallRefused);
      const { rule: found } = refused as SignedCallRefused;
      expect(found.toUpperCase().replaceAll('-', '_')).toBe(rule);
      return;
    }
    const call = input.calls[0];
    if (call === undefined) throw new RangeError('no call');
    const { method, requestId, request, notAfterMs } = requestOf(call);
    const head = { method, requestId, notAfterMs: Number(notAfterMs) };
    const made = signedCallInput(fromHex(input.clusterId), head, hash('sha256', request, 'buffer'));
    expect(toHex(made)).toBe(outputOf(vector).input);
    const timeoutMs = head.notAfterMs - input.nowMs;
    expect(last(input)).toMatchObject({
      caller: { identity: 'release-bot' },
      method,
      request,
      timeoutMs,
    });
  });

  test('that was refused has not used its id', () => {
    const [good, bad] = ['ed25519', 'altered-request'].map(
      (id) => vectors.find((vector) => vector.id === id)?.input,
    );
    const [first, second] = [bad?.calls[0], good?.calls[0]];
    if (good === undefined || first === undefined || second === undefined) throw new RangeError();
    const enclave = enclaveOf(good);
    expect(() => enclave.admit(requestOf(first), good.nowMs)).toThrow(SignedCallRefused);
    expect(enclave.admit(requestOf(second), good.nowMs).caller.identity).toBe('release-bot');
  });

  test('is refused by every other enclave start for as long as it lives', () => {
    const input = vectors.find(({ id }) => id === 'longest')?.input;
    const call = input?.calls[0];
    if (input === undefined || call === undefined) throw new RangeError();
    const endMs = Number(call.notAfterMs);
    for (const ageMs of [0, 1, 30_000, SIGNED_CALL_MS]) {
      // Carried out at `nowMs`; the next process starts then or later.
      const startedMs = input.nowMs + ageMs;
      const enclave = enclaveOf({ ...input, startedMs });
      for (const nowMs of [startedMs, endMs, endMs + 1]) {
        expect(() => enclave.admit(requestOf(call), nowMs)).toThrow(SignedCallRefused);
      }
    }
  });
});

describe('the ids of signed calls', () => {
  const idOf = (n: number): Uint8Array => {
    const id = new Uint8Array(16);
    new DataView(id.buffer).setUint32(0, n);
    return id;
  };

  test('are remembered, whoever used them, for as long as a call can live', () => {
    for (const startMs of [0, 17, SIGNED_CALL_MS - 1]) {
      const seen = new SeenRequests();
      seen.add('other', idOf(9), 0);
      expect(seen.add('a', idOf(1), startMs)).toBe('added');
      expect(seen.add('b', idOf(1), startMs)).toBe('replayed');
      for (let ms = startMs; ms <= startMs + SIGNED_CALL_MS; ms += 5000) {
        expect(seen.add('a', idOf(1), ms)).toBe('replayed');
      }
      expect(seen.add('a', idOf(1), startMs + SIGNED_CALL_MS)).toBe('replayed');
    }
  });

  test('are forgotten after that, also when nothing came in between', () => {
    for (const step of [SIGNED_CALL_MS, 2 * SIGNED_CALL_MS]) {
      const seen = new SeenRequests();
      seen.add('a', idOf(1), 0);
      seen.add('a', idOf(2), step);
      expect(seen.add('a', idOf(1), 2 * step)).toBe('added');
    }
  });

  test(
    'have room for a share of each principal, and for so many in all',
    () => {
      const seen = new SeenRequests();
      for (let n = 0; n < MAX_SIGNED_CALLS_OF_PRINCIPAL; n += 1)
        seen.add('greedy', idOf(n), n / 10);
      expect(seen.add('greedy', idOf(-1), SIGNED_CALL_MS)).toBe('busy');
      expect(seen.add('greedy', idOf(0), SIGNED_CALL_MS)).toBe('replayed');
      for (let n = MAX_SIGNED_CALLS_OF_PRINCIPAL; n < MAX_SIGNED_CALLS; n += 1) {
        seen.add(`caller-${String(n % 7)}`, idOf(n), SIGNED_CALL_MS);
      }
      expect(seen.add('late', idOf(-2), SIGNED_CALL_MS)).toBe('busy');
      expect(seen.add('late', idOf(1), 3 * SIGNED_CALL_MS)).toBe('added');
    },
    LOADED_MS,
  );
});
