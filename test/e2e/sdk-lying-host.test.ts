/** The client library in sessions through a host that lies: it can make calls late, and nothing else. */
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { Metadata, status } from '@grpc/grpc-js';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  connect,
  parseAppraisalPolicy,
  SealwrightError,
  SecurityError,
  UnavailableError,
  type ConnectOptions,
  type Identity,
  type Sealwright,
} from '../../src/client/index.ts';
import { AttestationServiceService } from '../../src/gen/sealwright/v1/attestation.ts';
import { LogServiceService } from '../../src/gen/sealwright/v1/log.ts';
import { SessionServiceService } from '../../src/gen/sealwright/v1/session.ts';
import { parseLeaf } from '../../src/tlog/leaf.ts';
import { LyingHost, TrueHost } from '../support/lying-host.ts';
import { startStack, type Stack } from '../support/stack.ts';

const MESSAGE = Buffer.from('a message that nobody but the enclave may read');
const RING = 'session-enclave';
const { getEvidence } = AttestationServiceService;
const { openSession, callSession } = SessionServiceService;

let stack: Stack;
let truth: TrueHost;
let liar: LyingHost;
let options: ConnectOptions;
let service: Sealwright;

const identityOf = (name: string): Identity => {
  const file = (part: string): Buffer => readFileSync(join(dirname(stack.ready.cert), part));
  return { cert: file(`client-${name}.pem`), key: file(`client-${name}.key`) };
};

beforeAll(async () => {
  stack = await startStack();
  truth = new TrueHost(stack.ready);
  liar = await LyingHost.start(truth);
  const reference = readFileSync(join(stack.state, 'reference.json'), 'utf8');
  options = {
    address: `unix:${liar.socket}`,
    trust: parseAppraisalPolicy(JSON.parse(reference)),
    identity: identityOf('dev'),
    timeoutMs: 30_000,
  };
});
afterAll(async () => {
  liar.stop();
  truth.close();
  await stack.stop();
});
beforeEach(async () => {
  liar.repent();
  service = await connect(options);
  // What comes next is nothing but the call itself.
  await service.signer(RING).key();
  liar.repent();
});
afterEach(async () => {
  await service[Symbol.asyncDispose]();
});

const sign = (timeoutMs = 30_000) => service.signer(RING).sign(MESSAGE, { timeoutMs });

async function failureOf(promise: Promise<unknown>): Promise<SealwrightError> {
  const error: unknown = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(SealwrightError);
  return error as SealwrightError;
}

/** Id of the check that failed. */
async function failedCheck(promise: Promise<unknown>): Promise<string | undefined> {
  const error = await failureOf(promise);
  expect(error).toMatchObject({ advice: 'stop', reason: 'NOT_BELIEVED' });
  if (!(error instanceof SecurityError)) throw error;
  return error.checks[0]?.id;
}

function refuse(code: status): Promise<never> {
  const facts = { code, details: 'no', metadata: new Metadata() };
  return Promise.reject(Object.assign(new Error('no'), facts));
}

const CODES = Object.entries(status).flatMap(([name, code]) =>
  typeof code === 'number' && code !== status.OK ? [[name, code] as const] : [],
);

describe('a status that the host makes up', () => {
  it.each(CODES)('%s: the call is made again', async (_name, code) => {
    liar.lie(callSession, (request, tell, nth) => (nth === 0 ? refuse(code) : tell(request)));
    expect((await sign()).ring).toBe(RING);
    expect(liar.calls(callSession)).toBeGreaterThan(1);
  });

  it('again and again: the service is not available, and what the host says is a fact', async () => {
    liar.lie(callSession, () => refuse(status.PERMISSION_DENIED));
    const error = await failureOf(sign(1_000));
    expect(error).toBeInstanceOf(UnavailableError);
    expect(error).toMatchObject({ reason: 'HOST_REFUSED', advice: 'retry' });
    expect(error.facts).toEqual({ hostSays: 'PERMISSION_DENIED' });
  });

  it.each([
    [
      'evidence',
      () => {
        liar.lie(getEvidence, () => refuse(status.UNAUTHENTICATED));
      },
    ],
    [
      'an opening',
      () => {
        liar.lie(openSession, () => refuse(status.UNAUTHENTICATED));
      },
    ],
  ])('for %s is no more than that', async (_name, lie) => {
    lie();
    const error = await failureOf(connect({ ...options, timeoutMs: 500 }));
    expect(error).toBeInstanceOf(UnavailableError);
    expect(error).toMatchObject({ reason: 'HOST_REFUSED', facts: { hostSays: 'UNAUTHENTICATED' } });
  });
});

describe('an answer', () => {
  it('that was lost is asked for again under the same request id: there is one signature', async () => {
    liar.lie(callSession, async (request, tell, nth) => {
      const answer = await tell(request);
      return nth < 2 ? refuse(status.UNAVAILABLE) : answer;
    });
    const { receipt } = await sign();
    const own = parseLeaf(receipt.leaf);
    if (own.kind !== 'signature') throw new Error(own.kind);
    const log = stack.client();
    const leaves = (await log.getEntries(Math.max(0, receipt.index - 200), 256)).map(parseLeaf);
    log.close();
    const same = leaves.filter(
      (leaf) => leaf.kind === 'signature' && leaf.requestId === own.requestId,
    );
    expect(same).toHaveLength(1);
  });

  it('is read by nobody, and neither is what was asked', async () => {
    const seen: Uint8Array[] = [];
    liar.lie(callSession, async (request, tell) => {
      const answer = await tell(request);
      seen.push(request.record, ...answer.records);
      return answer;
    });
    const { signature } = await sign();
    const all = Buffer.concat(seen);
    for (const secret of [MESSAGE, Buffer.from(RING), Buffer.from('Sign'), signature]) {
      expect(all.includes(Buffer.from(secret))).toBe(false);
    }
  });

  it.each([
    [
      'altered',
      'record-aead',
      (record: Uint8Array) => record.map((b, i) => (i === 99 ? b ^ 1 : b)),
    ],
    ['cut off', 'record-length', (record: Uint8Array) => record.subarray(0, 20)],
    ['of another session', 'record-session', (record: Uint8Array) => record.with(5, 0x77)],
  ])('%s is not believed', async (_name, check, change) => {
    liar.lie(callSession, async (request, tell) => {
      const { records } = await tell(request);
      return { records: records.map(change) };
    });
    expect(await failedCheck(sign())).toBe(check);
  });

  it('of an earlier call is not believed', async () => {
    let kept: readonly Uint8Array[] = [];
    liar.lie(callSession, async (request, tell) => {
      const { records } = await tell(request);
      const [given, next] = kept.length === 0 ? [records, records] : [kept, records];
      kept = next;
      return { records: given };
    });
    await sign();
    expect(await failedCheck(sign())).toBe('record-replayed');
  });

  it('in which nothing stands is not believed', async () => {
    liar.lie(callSession, () => ({ records: [] }));
    expect(await failedCheck(sign())).toBe('record-truncated');
  });
});

describe('a connection', () => {
  it('of a stranger is refused with words that say where to look', async () => {
    const error = await failureOf(connect({ ...options, identity: identityOf('stranger') }));
    expect(error).toBeInstanceOf(UnavailableError);
    expect(error).toMatchObject({ reason: 'SESSION_REFUSED', advice: 'retry' });
    expect(error.message).toContain('is this certificate of a caller in the policy');
    expect(liar.calls(openSession)).toBe(3);
  });

  it('does not take the Accept of another opening', async () => {
    let kept: Uint8Array | undefined;
    liar.lie(openSession, async (request, tell) => {
      const { accept } = await tell(request);
      const given = kept ?? accept;
      kept = accept;
      return { accept: given };
    });
    await (await connect(options))[Symbol.asyncDispose]();
    expect(await failedCheck(connect(options))).toBe('accept-hpke');
  });

  it('does not take evidence for another question', async () => {
    let kept: { readonly bundle: Uint8Array } | undefined;
    liar.lie(getEvidence, async (request, tell) => {
      kept ??= await tell(request);
      return kept;
    });
    await (await connect(options))[Symbol.asyncDispose]();
    expect(await failedCheck(connect(options))).toBe('nonce');
    expect(liar.calls(openSession)).toBe(1);
  });

  it('goes on from the last checkpoint, and from no other log', async () => {
    const signed = await sign();
    const { lastCheckpoint } = service;
    expect(lastCheckpoint).toBe(signed.receipt.checkpoint);
    if (lastCheckpoint === undefined) throw new Error('none');
    using next = await connect({ ...options, lastCheckpoint });
    expect(next.session?.principal).toMatch(/dev$/);
    const forged = lastCheckpoint.replace(/\n\d+\n/, '\n999999\n');
    const other = connect({ ...options, lastCheckpoint: forged });
    expect(await failedCheck(other)).toBe('checkpoint-signature');
    liar.lie(LogServiceService.getConsistencyProof, async (request, tell) => {
      const { newSize, proof } = await tell(request);
      return { newSize, proof: proof.slice(1) };
    });
    expect(await failedCheck(connect({ ...options, lastCheckpoint }))).toBe('log-consistency');
  });
});
