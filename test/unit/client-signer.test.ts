/** One ring's signer over a service that a test makes up: versions, time, and what is never sent. */
import { generateKeyPairSync, sign, type KeyObject } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { AttestedClient, AttestedKey } from '../../src/client/attested.ts';
import { signCompact } from '../../src/client/adapters/jwt.ts';
import { Checkpoints } from '../../src/client/checkpoints.ts';
import type { SealwrightClient, SignInput } from '../../src/client/client.ts';
import {
  RequestError,
  SealwrightError,
  SecurityError,
  UnavailableError,
} from '../../src/client/sdk/errors.ts';
import { Signer } from '../../src/client/sdk/signer.ts';
import { TrustedKeys } from '../../src/client/sdk/trusted-keys.ts';
import type { CallOptions } from '../../src/client/transport.ts';
import { SignerError } from '../../src/client/signer-error.ts';
import { SignBatchResponse, SignResponse } from '../../src/gen/sealwright/v1/signing.ts';

const RING = 'release';
const MESSAGE = Buffer.from('a message');
const LARGE = Buffer.alloc(60_000);

const pairs = Array.from({ length: 4 }, () => generateKeyPairSync('ed25519'));
const privateKeyOf = (version: number): KeyObject => {
  const pair = pairs[version];
  if (pair === undefined) throw new Error('no such version');
  return pair.privateKey;
};

function attestedKey(version: number, lowestRank = 'session'): AttestedKey {
  const spki = pairs[version]?.publicKey.export({ format: 'der', type: 'spki' });
  const key = {
    ring: RING,
    version,
    kid: `kid ${String(version)}`,
    alg: 'EdDSA',
    residency: 'hsm',
    publicKey: Uint8Array.from(spki ?? []),
    scope: { payload: 'message', lowestRank, hostAsserted: false },
  };
  const attestation = {
    claims: { notAfterMs: Date.now() + 3_600_000 },
    evidence: { attested: { registers: { MR0: new Uint8Array(32) } } },
  };
  return { key, attestation } as unknown as AttestedKey;
}

let rank: string;
/** The version that signs now, and those that were asked for by number. */
let newest: number;
let asked: number[];
let keyMs: number;
let signs: (request: SignInput, options: CallOptions) => Promise<SignResponse>;
let signsBatch: (items: readonly SignInput[], options: CallOptions) => Promise<SignBatchResponse>;
let sent: number[];

const unavailable = new SignerError('away', {
  reason: 'ENCLAVE_NOT_READY',
  retryable: true,
  grpcStatus: 14,
  metadata: {},
});

function signerOf(plain = false): Signer {
  const attested = {
    key: async (_ring: string, version = 0) => {
      await sleep(keyMs);
      if (version !== 0) asked.push(version);
      return attestedKey(version === 0 ? newest : version, rank);
    },
  } as unknown as AttestedClient;
  const service = {
    sign: (request: SignInput, options: CallOptions) => {
      sent.push(options.timeoutMs ?? NaN);
      return signs(request, options);
    },
    signBatch: (items: readonly SignInput[], options: CallOptions) => {
      sent.push(options.timeoutMs ?? NaN);
      return signsBatch(items, options);
    },
  } as unknown as SealwrightClient;
  const keys = new TrustedKeys(attested);
  const checkpoints = new Checkpoints(service, undefined);
  return new Signer(RING, { service, keys, checkpoints, plain });
}

function answerBy(version: number): SignResponse {
  const key = attestedKey(version).key;
  return {
    ...SignResponse.create(),
    ring: RING,
    version,
    kid: key.kid,
    signature: sign(null, MESSAGE, privateKeyOf(version)),
  };
}

beforeEach(() => {
  [rank, newest, asked, keyMs, sent] = ['session', 1, [], 0, []];
  signs = () => Promise.resolve(answerBy(1));
});
afterEach(() => {
  vi.useRealTimers();
});

async function failureOf(promise: Promise<unknown>): Promise<SealwrightError> {
  const error: unknown = await promise.catch((reason: unknown) => reason);
  if (!(error instanceof SealwrightError)) throw new Error('no such error', { cause: error });
  return error;
}

/** Ids of the checks that failed; the answers here have no receipt, and little else. */
async function failedChecks(promise: Promise<unknown>): Promise<readonly string[]> {
  const error = await failureOf(promise);
  if (!(error instanceof SecurityError)) throw error;
  return error.checks.map(({ id }) => id);
}

const OF_THE_KEY = ['sign-version', 'sign-kid', 'sign-signature'];

describe('a ring that rotates', () => {
  it.each([
    ['once', 2, []],
    ['twice, and the first successor signed', 3, [2]],
  ])('%s within a call is no lie', async (_, last, asks) => {
    signs = () => {
      newest = last;
      return Promise.resolve(answerBy(2));
    };
    const failed = await failedChecks(signerOf().sign(MESSAGE));
    expect(failed.filter((id) => OF_THE_KEY.includes(id))).toEqual([]);
    expect(asked).toEqual(asks);
  });

  it('twice within a batch is none either: each item is held against the key that signed it', async () => {
    signsBatch = (items) => {
      newest = 3;
      const results = items.map((_, i) => ({
        outcome: { $case: 'signed' as const, value: answerBy(i + 1) },
        leaf: undefined,
      }));
      return Promise.resolve({ ...SignBatchResponse.create(), results });
    };
    const failed = await failedChecks(signerOf().signBatch([MESSAGE, MESSAGE, MESSAGE]));
    expect(failed).toContain('receipt-form');
    expect(failed.filter((id) => OF_THE_KEY.includes(id))).toEqual([]);
    expect(asked).toEqual([2]);
  });

  it('to a version that the enclave does not vouch for has not', async () => {
    newest = 2;
    const signer = signerOf();
    signs = () => Promise.resolve({ ...answerBy(3), version: 3 });
    expect(await failedChecks(signer.sign(MESSAGE))).toEqual(expect.arrayContaining(OF_THE_KEY));
    expect(asked).toEqual([]);
  });
});

describe('the time of a call', () => {
  it('is one for key and signature', async () => {
    keyMs = 300;
    signs = () => Promise.reject(unavailable);
    const error = await failureOf(signerOf().sign(MESSAGE, { timeoutMs: 1_000 }));
    expect(error).toBeInstanceOf(UnavailableError);
    expect(sent).not.toEqual([]);
    expect(Math.max(...sent)).toBeLessThan(710);
  });

  it('is over when the key has taken it: nothing is sent', async () => {
    keyMs = 200;
    const error = await failureOf(signerOf().sign(MESSAGE, { timeoutMs: 50 }));
    expect(error).toMatchObject({ reason: 'NO_ANSWER_IN_TIME', advice: 'retry' });
    expect(sent).toEqual([]);
  });

  it('is not that of the caller’s own stream', async () => {
    async function* slow(): AsyncGenerator<Uint8Array> {
      await sleep(1_200);
      yield MESSAGE;
    }
    await failedChecks(signerOf().sign(slow(), { timeoutMs: 1_000 }));
    expect(sent[0]).toBeGreaterThan(0);
  });

  it('is one for all the calls of a batch, and what was answered stays', async () => {
    const refused = { reason: 'KEY_STATE_FORBIDS_SIGNING', domain: '', metadata: {} };
    signsBatch = (items) => {
      if (sent.length > 1) return new Promise(() => undefined);
      const outcome = { $case: 'refused', value: refused } as const;
      const results = items.map(() => ({ outcome, leaf: undefined }));
      return Promise.resolve({ ...SignBatchResponse.create(), results });
    };
    const messages = Array.from({ length: 50 }, () => LARGE);
    const outcomes = await signerOf().signBatch(messages, { timeoutMs: 1_000 });
    const reasons = outcomes.map((one) => (one instanceof SealwrightError ? one.reason : 'signed'));
    expect([reasons.length, reasons[0], reasons.at(-1)]).toEqual([
      50,
      'KEY_STATE_FORBIDS_SIGNING',
      'NO_ANSWER_IN_TIME',
    ]);
    // The third call had no time left.
    expect(sent).toHaveLength(2);
  });

  it('is over for the first call of a batch: there is nothing to stay', async () => {
    signsBatch = () => Promise.reject(unavailable);
    const error = await failureOf(signerOf().signBatch([MESSAGE], { timeoutMs: 100 }));
    expect(error).toMatchObject({ reason: 'ENCLAVE_NOT_READY', advice: 'retry' });
  });

  it('is one for the key in a header and the signature', async () => {
    keyMs = 300;
    signs = () => Promise.reject(unavailable);
    await failureOf(signCompact(signerOf(), MESSAGE, {}, { timeoutMs: 1_000 }));
    expect(sent).not.toEqual([]);
    expect(Math.max(...sent)).toBeLessThan(710);
  });
});

describe('over a plain socket', () => {
  it.each(['session', 'signed', 'of-a-later-release'])(
    'no message goes to a ring of rank %s: the host would read it',
    async (lowestRank) => {
      rank = lowestRank;
      const signer = signerOf(true);
      for (const call of [() => signer.sign(MESSAGE), () => signer.signBatch([MESSAGE])]) {
        const error = await failureOf(call());
        expect(error).toBeInstanceOf(RequestError);
        expect(error).toMatchObject({
          reason: 'SIGNING_POLICY_DENIED',
          facts: { policyId: 'lowest-rank', ring: RING, expected: lowestRank, actual: 'peer' },
        });
      }
      expect(sent).toEqual([]);
      expect(await signer.key()).toMatchObject({ version: 1 });
    },
  );

  it.each(['mtls', 'peer'])('one goes to a ring of rank %s', async (lowestRank) => {
    rank = lowestRank;
    await failedChecks(signerOf(true).sign(MESSAGE));
    expect(sent).toHaveLength(1);
  });
});
