import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Reason } from '../../enclave/wire/error-code.ts';
import { METHODS } from '../../enclave/wire/methods.ts';
import { SealwrightClient } from '../../src/client/client.ts';
import { GrpcTransport } from '../../src/client/grpc-transport.ts';
import { NotBelieved } from '../../src/client/not-believed.ts';
import { explained, RequestError, UnavailableError } from '../../src/client/sdk/errors.ts';
import { persist } from '../../src/client/sdk/persist.ts';
import { NotOpened } from '../../src/client/session/not-opened.ts';
import type { Session } from '../../src/client/session/session.ts';
import type { SessionTransport } from '../../src/client/session/session-transport.ts';
import { throughHost } from '../../src/client/session/weather.ts';
import { HONEST, hostSays, SessionBed, sessionOf } from '../support/session-bed.ts';
import { testIdentity } from '../support/session-caller.ts';

const HOUR_MS = 3_600_000;

let bed: SessionBed;
let sessions: SessionTransport;
let client: SealwrightClient;

beforeEach(async () => {
  bed = await SessionBed.start();
  sessions = bed.transport();
  client = new SealwrightClient(sessions);
});
afterEach(() => {
  vi.useRealTimers();
});

const sign = () =>
  client.sign({ ring: 'release', payload: { $case: 'message', value: { message: MESSAGE } } });
const MESSAGE = new Uint8Array(32).fill(7);

async function rejection(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => undefined,
    (error: unknown) => error,
  );
}

async function failedCheck(promise: Promise<unknown>): Promise<string | undefined> {
  const error = await rejection(promise);
  expect(error).toBeInstanceOf(NotBelieved);
  return (error as NotBelieved).checks[0]?.id;
}

/** Time for what happens in the background. */
const settled = (what: () => boolean): Promise<void> =>
  vi.waitFor(() => {
    expect(what()).toBe(true);
  });

/** Whether the enclave knows it. */
async function isOpen(session: Session | undefined): Promise<boolean> {
  const error = await rejection(
    session?.call(METHODS.getStatus, new Uint8Array(0)) ?? Promise.resolve(),
  );
  if (error !== undefined)
    expect(error).toMatchObject({ metadata: { hostSays: 'SESSION_REFUSED' } });
  return error === undefined;
}

describe('an opening', () => {
  it('is one, however many calls wait for it', async () => {
    await Promise.all(Array.from({ length: 10 }, sign));
    expect(bed.opened).toBe(1);
  });

  it('is given up when evidence was verified three times and the policy knows nobody', async () => {
    bed.identity = testIdentity('stranger');
    const error = explained(await rejection(sign()));
    expect(error).toBeInstanceOf(UnavailableError);
    expect(error).toMatchObject({ reason: 'SESSION_REFUSED', advice: 'retry' });
    expect(bed.opened).toBe(3);
  });

  it('is tried again when it was refused once', async () => {
    bed.host = {
      ...HONEST,
      open: (message, truth) =>
        bed.opened === 1 ? Promise.reject(hostSays('SESSION_REFUSED')) : truth(message),
    };
    expect((await sign()).ring).toBe('release');
    expect(bed.opened).toBe(2);
  });

  it.each(['CALLER_UNAUTHENTICATED', 'ENCLAVE_HALTED', 'INTERNAL'] as Reason[])(
    'that the host refuses with %s has met the weather',
    async (reason) => {
      bed.host = { ...HONEST, open: () => Promise.reject(hostSays(reason)) };
      const error = explained(await rejection(sign()));
      expect(error).toBeInstanceOf(UnavailableError);
      expect(error).toMatchObject({ reason: 'HOST_REFUSED', facts: { hostSays: reason } });
      expect(bed.opened).toBe(1);
    },
  );

  it('was not refused where the host says so of something else', async () => {
    bed.doubt = (await rejection(
      throughHost(() => Promise.reject(hostSays('SESSION_REFUSED'))),
    )) as Error;
    const error = explained(await rejection(bed.open()));
    expect(error).toMatchObject({ reason: 'HOST_REFUSED', facts: { hostSays: 'SESSION_REFUSED' } });
    expect(bed.opened).toBe(0);
    bed.doubt = undefined;
    await bed.open();
    bed.beside.call = () => Promise.reject(hostSays('SESSION_REFUSED'));
    const proof = explained(await rejection(bed.open()));
    expect(proof).toMatchObject({ reason: 'HOST_REFUSED', facts: { hostSays: 'SESSION_REFUSED' } });
    expect(bed.opened).toBe(2);
  });

  it('is refused too when its first record is', async () => {
    bed.host = { ...HONEST, call: () => Promise.reject(hostSays('SESSION_REFUSED')) };
    expect(await rejection(bed.open())).toBeInstanceOf(NotOpened);
    expect(bed.opened).toBe(3);
  });

  it('believes no Accept but the one to its own Open', async () => {
    const accepts: Uint8Array[] = [];
    bed.host = {
      ...HONEST,
      open: async (message, truth) => accepts[accepts.push(await truth(message)) - 1] ?? message,
    };
    await bed.open();
    const [first = MESSAGE] = accepts;
    bed.host = { ...HONEST, open: () => Promise.resolve(first) };
    expect(await failedCheck(bed.open())).toBe('accept-hpke');
    bed.host = { ...HONEST, open: () => Promise.resolve(first.subarray(1)) };
    expect(await failedCheck(bed.open())).toBe('accept-message');
    bed.host = {
      ...HONEST,
      open: async (message, truth) => {
        const accept = await truth(message);
        return accept.map((byte, i) => (i === accept.length - 1 ? byte ^ 1 : byte));
      },
    };
    expect(await failedCheck(bed.open())).toBe('accept-hpke');
  });

  it('whose log is not proved to go on is given back', async () => {
    await bed.open();
    bed.beside.call = () => Promise.reject(hostSays('LOG_RANGE_INVALID'));
    const records: unknown[] = [];
    bed.host = {
      ...HONEST,
      call: (record, truth) => {
        records.push(record);
        return truth(record);
      },
    };
    expect(await rejection(bed.open())).toMatchObject({
      reason: 'HOST_REFUSED',
      metadata: { hostSays: 'LOG_RANGE_INVALID' },
    });
    // The one that opened it, and the one that ended it.
    await settled(() => records.length === 2);
  });

  it('with a last checkpoint that fits into no Open is another', async () => {
    const body = Buffer.alloc(68).toString('base64');
    const others = Array.from(
      { length: 60 },
      (_, i) => `— ${'w'.repeat(200)}${String(i)} ${body}\n`,
    );
    bed.checkpoints.saw(`log\n1\n${Buffer.alloc(32).toString('base64')}\n\n${others.join('')}`);
    const error = await rejection(bed.open());
    expect(error).toBeInstanceOf(RequestError);
    expect(error).toMatchObject({
      reason: 'CHECKPOINT_UNUSABLE',
      facts: { field: 'lastCheckpoint', limitBytes: '16384' },
    });
    expect(bed.opened).toBe(0);
  });

  it('with a chain that fits into no Open is a mistake of the caller’s', async () => {
    const certificates = Array.from({ length: 5 }, () => new Uint8Array(10_000));
    bed.identity = { ...bed.identity, certificates };
    const error = await rejection(sign());
    expect(error).toBeInstanceOf(RequestError);
    expect(error).toMatchObject({ reason: 'IDENTITY_UNUSABLE', facts: { field: 'cert' } });
  });
});

describe('a session that ends', () => {
  // The caller's clocks; the enclave's stand still.
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['performance', 'Date'], now: Date.now() });
  });

  const passTime = (ms: number): unknown => vi.advanceTimersByTime(ms);
  const current = (): string | undefined =>
    sessions.current === undefined ? undefined : sessionOf(sessions.current);

  it('has its successor before, with evidence verified anew, while calls go on in it', async () => {
    await sign();
    const first = current();
    passTime(0.95 * HOUR_MS);
    let release: () => void = () => undefined;
    const held = new Promise<void>((resolve) => (release = resolve));
    bed.host = {
      ...HONEST,
      open: async (message, truth) => {
        await held;
        return truth(message);
      },
    };
    await Promise.all([sign(), sign()]);
    expect(current()).toBe(first);
    release();
    await settled(() => current() !== first);
    await sign();
    expect(bed.opened).toBe(2);
  });

  it('gives its place back to the enclave, when what is under way in it is answered', async () => {
    await sign();
    const first = sessions.current;
    passTime(0.95 * HOUR_MS);
    let release: () => void = () => undefined;
    const held = new Promise<void>((resolve) => (release = resolve));
    let calls = 0;
    bed.host = {
      ...HONEST,
      call: async (record, truth) => {
        calls += 1;
        if (calls === 1) await held;
        return truth(record);
      },
    };
    const slow = sign();
    await settled(() => sessions.current !== first);
    expect(await isOpen(first)).toBe(true);
    release();
    expect((await slow).ring).toBe('release');
    await vi.waitFor(async () => {
      expect(await isOpen(first)).toBe(false);
    });
    expect(await isOpen(sessions.current)).toBe(true);
  });

  it('with its evidence is not used any more', async () => {
    bed.evidenceMs = 10_000;
    await sign();
    const first = current();
    passTime(10_001);
    await sign();
    expect(current()).not.toBe(first);
  });

  it('has no successor where nobody answers: it is used to its end, and openings are far between', async () => {
    await sign();
    passTime(0.95 * HOUR_MS);
    bed.host = { ...HONEST, open: () => Promise.reject(hostSays('ENCLAVE_NOT_READY')) };
    await Promise.all(Array.from({ length: 10 }, sign));
    await settled(() => bed.opened === 2);
    await Promise.all([sign(), sign()]);
    expect(bed.opened).toBe(2);
    passTime(1_001);
    await sign();
    await settled(() => bed.opened === 3);
    passTime(0.05 * HOUR_MS);
    const error = await rejection(sign());
    expect(error).toMatchObject({ metadata: { hostSays: 'ENCLAVE_NOT_READY' } });
  });

  it('has none with an enclave that is not believed: nothing is asked of it any more', async () => {
    await sign();
    passTime(0.95 * HOUR_MS);
    bed.doubt = new NotBelieved([
      { id: 'measurement', verdict: 'contraindicated', expected: '', found: '', reason: '' },
    ]);
    await sign();
    await settled(() => sessions.current?.usable === false);
    expect(await failedCheck(sign())).toBe('measurement');
  });

  it('with its enclave is followed by one with the next, and the call is made there', async () => {
    await sign();
    bed.running = await bed.world.reboot(bed.running);
    expect((await persist(10_000, sign)).ring).toBe('release');
    expect(bed.opened).toBe(2);
  });

  it('when it is closed: no call begins', async () => {
    await sign();
    const last = sessions.current;
    await sessions.close();
    expect([sessions.current, await isOpen(last)]).toEqual([undefined, false]);
    const error = await rejection(sign());
    expect(error).toBeInstanceOf(RequestError);
    expect(error).toMatchObject({ reason: 'CONNECTION_CLOSED', advice: 'fix' });
    const plain = new GrpcTransport({ kind: 'socket', path: '/nowhere' });
    await plain.close();
    const asked = explained(await rejection(new SealwrightClient(plain).getStatus()));
    expect(asked).toMatchObject({ reason: 'CONNECTION_CLOSED', advice: 'fix' });
  });
});

describe('a call without a session', () => {
  it('is not made in another way', async () => {
    bed.host = { ...HONEST, open: () => new Promise(() => undefined) };
    const asked = client.getStatus({ timeoutMs: 50 });
    expect(await rejection(asked)).toMatchObject({ reason: 'NO_ANSWER_IN_TIME' });
  });

  it('is for what a session rests on, and for the log', async () => {
    const evidence = await rejection(client.getEvidence(MESSAGE));
    expect(String(evidence)).toContain('GetEvidence was asked of the host');
    expect(String(await rejection(client.getCheckpoint()))).toContain('GetCheckpoint was asked');
    expect(bed.opened).toBe(0);
  });
});
