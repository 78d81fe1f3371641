import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { ERROR_CODES, type Reason } from '../../enclave/wire/error-code.ts';
import { METHODS } from '../../enclave/wire/methods.ts';
import { NotBelieved } from '../../src/client/not-believed.ts';
import { explained, UnavailableError } from '../../src/client/sdk/errors.ts';
import { Session } from '../../src/client/session/session.ts';
import {
  SignBatchRequest,
  SignBatchResponse,
  SignResponse,
} from '../../src/gen/sealwright/v1/signing.ts';
import { HONEST, hostSays, SessionBed, sessionOf } from '../support/session-bed.ts';
import { openingFor, targetOf } from '../support/session-caller.ts';
import { requestOf, signRequest } from '../support/fakes/world.ts';

const MESSAGE = new Uint8Array(32).fill(7);
const NOTHING = new Uint8Array(0);
const SIGN = signRequest('release', { message: MESSAGE });

let bed: SessionBed;
let session: Session;

beforeAll(async () => {
  bed = await SessionBed.start();
  session = await bed.open();
});
beforeEach(async () => {
  bed.host = HONEST;
  if (!session.usable) session = await bed.open();
});

const sign = (body = SIGN): Promise<Uint8Array> => session.call(METHODS.sign, body);

/** Of four large messages: more than three records, in one request. */
const largeBatch = (): Uint8Array => {
  const message = new Uint8Array(60_000).fill(1);
  const items = Array.from({ length: 4 }, () => requestOf('release', { message }));
  return SignBatchRequest.encode({ items }).finish();
};

async function rejection(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => undefined,
    (error: unknown) => error,
  );
}

/** Id of the check that failed. */
async function failedCheck(promise: Promise<unknown>): Promise<string | undefined> {
  const error = await rejection(promise);
  expect(error).toBeInstanceOf(NotBelieved);
  return (error as NotBelieved).checks[0]?.id;
}

describe('a call inside', () => {
  it('brings the answer of the enclave, to the caller that its certificate names', async () => {
    expect(SignResponse.decode(await sign()).ring).toBe('release');
    expect(session.facts.principal).toMatch(/\/ci$/);
  });

  it('of several records each way', async () => {
    const answer = await session.call(METHODS.signBatch, largeBatch());
    const { results } = SignBatchResponse.decode(answer);
    expect(results.map(({ outcome }) => outcome?.$case)).toEqual(Array(4).fill('signed'));
  });

  it('is refused with the reason and the facts that the enclave gives', async () => {
    const error = await rejection(sign(signRequest('nobody', { message: MESSAGE })));
    expect(error).toMatchObject({ reason: 'KEY_NOT_FOUND', metadata: { keyId: 'nobody' } });
    expect(explained(error)).toMatchObject({ name: 'RequestError', advice: 'fix' });
  });

  it('is not begun after its deadline, however long the host kept it', async () => {
    bed.host = {
      ...HONEST,
      call: (record, truth) => {
        bed.world.clock.advance(60_000);
        return truth(record);
      },
    };
    expect(await rejection(sign())).toMatchObject({ reason: 'DEADLINE_EXCEEDED' });
    // To this session it is a minute later now than to its caller.
    session.end();
  });
});

it.each([1, 2, 3] as const)('a session of suite %i signs', async (suite) => {
  const other = await SessionBed.start(suite);
  const opened = await other.open();
  expect(SignResponse.decode(await opened.call(METHODS.sign, SIGN)).ring).toBe('release');
});

describe('a session whose numbers are used up', () => {
  const MAX_RECORDS = 5;
  let short: Session;
  beforeEach(async () => {
    const target = await targetOf(bed.running);
    const opening = await openingFor({ target, identity: bed.identity });
    const { facts, keys } = await opening.finish(await bed.carrier.open(opening.message, {}));
    short = new Session(
      { facts: { ...facts, maxRecords: MAX_RECORDS }, keys },
      session.attestation,
      bed.carrier,
      performance.now(),
    );
  });

  it('is due before, and ends: another try needs another one', async () => {
    const due: boolean[] = [];
    for (let n = 0; n < MAX_RECORDS; n += 1) {
      due.push(short.due);
      await short.call(METHODS.sign, SIGN);
    }
    expect([due, short.usable]).toEqual([[false, false, false, false, true], true]);
    const error = await rejection(short.call(METHODS.sign, SIGN));
    expect(error).toMatchObject({ reason: 'SESSION_REFUSED', retryable: true });
    expect(short.usable).toBe(false);
  });

  it('takes no request of more records than it has', async () => {
    await short.call(METHODS.sign, SIGN);
    await short.call(METHODS.sign, SIGN);
    const error = await rejection(short.call(METHODS.signBatch, largeBatch()));
    expect(error).toMatchObject({ reason: 'SESSION_REFUSED', retryable: true });
    expect(short.usable).toBe(false);
  });
});

describe('a host that speaks in place of the enclave', () => {
  it.each(Object.keys(ERROR_CODES) as Reason[])('with %s is only weather', async (reason) => {
    bed.host = { ...HONEST, call: () => Promise.reject(hostSays(reason)) };
    const error = await rejection(sign());
    expect(error).toMatchObject({ reason: 'HOST_REFUSED', metadata: { hostSays: reason } });
    expect(explained(error)).toBeInstanceOf(UnavailableError);
    expect(session.usable).toBe(reason !== 'SESSION_REFUSED');
    bed.host = HONEST;
    // Nothing was lost by it but the time.
    expect(SignResponse.decode(await sign()).ring).toBe('release');
  });
});

describe('a host that touches what comes back is found out', () => {
  const changed = async (change: (answers: readonly Uint8Array[]) => readonly Uint8Array[]) => {
    bed.host = { ...HONEST, call: async (record, truth) => change(await truth(record)) };
    return failedCheck(sign());
  };
  const flipped = (bytes: Uint8Array, at: number): Uint8Array =>
    bytes.map((byte, i) => (i === at ? byte ^ 1 : byte));

  it.each([
    ['record-version', 0],
    ['record-direction', 1],
    ['record-session', 2],
    ['record-aead', 25],
    ['record-aead', 26],
    ['record-aead', 300],
  ])('by rule %s at byte %i', async (check, at) => {
    expect(await changed((answers) => answers.map((one) => flipped(one, at)))).toBe(check);
  });

  it('when it cuts it', async () => {
    expect(await changed(([one]) => [one?.subarray(0, -1) ?? NOTHING])).toBe('record-aead');
    expect(await changed(() => [NOTHING])).toBe('record-length');
  });

  it('when it keeps it back', async () => {
    expect(await changed(() => [])).toBe('record-truncated');
  });

  it('when it repeats it', async () => {
    expect(await changed((answers) => [...answers, ...answers])).toBe('record-replayed');
  });

  it('when it brings the answer of another call', async () => {
    const held: (readonly Uint8Array[])[] = [];
    bed.host = {
      ...HONEST,
      call: async (record, truth) => {
        const place = held.push(await truth(record)) - 1;
        while (held.length < 2) await new Promise((resolve) => setImmediate(resolve));
        return held[1 - place] ?? [];
      },
    };
    // Both are genuine, and each is of the other call.
    const [one, other] = await Promise.all([failedCheck(sign()), failedCheck(sign())]);
    expect([one, other]).toEqual(['record-in-reply-to', 'record-in-reply-to']);
  });

  it('when it brings the answer of another session', async () => {
    const before = await bed.open();
    let theirs: readonly Uint8Array[] = [];
    bed.host = {
      ...HONEST,
      call: async (record, truth) => (theirs = await truth(record)),
    };
    await before.call(METHODS.sign, SIGN);
    expect(sessionOf(before)).not.toBe(sessionOf(session));
    expect(await changed(() => theirs)).toBe('record-session');
  });

  it('when it drops the middle of a stream, or its end', async () => {
    const keys = (): Promise<Uint8Array> => session.call(METHODS.signBatch, largeBatch());
    bed.host = {
      ...HONEST,
      call: async (record, truth) => {
        const answers = await truth(record);
        return answers.slice(0, -1);
      },
    };
    expect(await failedCheck(keys())).toBe('record-truncated');
  });
});
