/** What is measured, in which order: every figure stands beside its ceiling, so that both see the same machine. */
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { METHODS } from '../../enclave/wire/methods.ts';
import { SignBatchRequest, SignRequest } from '../../src/gen/sealwright/v1/signing.ts';
import { REQUEST_ID_BYTES } from '../../enclave/wire/session/record-content.ts';
import { buildEnclaveWith } from '../build-enclave.ts';
import { cSignLoop, opensslSpeed, startEcho, type EchoServer } from './ceilings.ts';
import { learn, ofSign, ofSignBatch, requireRight, type Known } from './check-sample.ts';
import { claimsOf } from './claims.ts';
import { ECHO_PATH } from './echo-server.ts';
import type { Target } from './http2-caller.ts';
import type { Load } from './load-process.ts';
import { measureInTurns, measureLoad, type LoadFigures } from './measure-load.ts';
import { sessionPeer, type SessionPeer } from './session-channel.ts';
import { BenchStack, RINGS } from './stack.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const CHAINED_ENTRY = 'scripts/bench/enclave/main-chained.ts';

const CALLERS = [1, 16, 64] as const;
const SESSION_CALLERS = Math.max(...CALLERS);
/** Two cores for callers and service gave 0.83 to 0.85 (docs/BENCHMARKS.md); with other work on them, less. */
const LEAST_SESSION_SHARE = 0.65;
/** As many as a stack has workers. */
const HSM_PROCESSES = 2;
const HSM_CALLERS = 16;
const HSM_LOOP = `C_Sign ES256, ${String(HSM_PROCESSES)} processes`;
const BATCH = 64;
const BATCH_CALLERS = 8;
const MESSAGE_BYTES = 256;
const WARM_UP_MS = 300;
/** Callers that seal and open have more code to warm, and here as much is asked of both kinds. */
const SESSION_WARM_UP_MS = 500;
/** Of the time that plain calls may take to warm a service: what is theirs is warm then. */
const SESSION_WARM_UP_PART = 16;
const WARM_UP_CALLS = 20_000;
const WARM_UP_SLICE_MS = 1000;
/** On a machine that is too slow for so many: this many times the seconds of a figure. */
const WARM_UP_FACTOR = 4;
const LONGEST_WARM_UP_MS = 30_000;
/** openssl measures six things one after the other. */
const MAX_OPENSSL_SECONDS = 2;

/** One figure of one round. */
export interface Row {
  readonly name: string;
  /** Signatures a second; of an echo, calls. */
  readonly perSecond: number;
  /** Absent for loops that nobody calls. */
  readonly load?: LoadFigures;
  /** Name of the row that this one is held against. */
  readonly ceiling?: string;
  /** A smaller share of that one, even of a short run on a machine that is busy, is a mistake. */
  readonly leastShare?: number;
}

export interface BenchOptions {
  /** Of each figure. */
  readonly seconds: number;
  readonly rounds: number;
  readonly onRow: (row: Row) => void;
}

type Release = 'durable' | 'chained';

/** A stack that is up, and what its answers are checked with. */
interface Service {
  readonly release: Release;
  readonly stack: BenchStack;
  readonly known: Known;
}

/** Counted up in every message that is sent. */
const COUNTER = Buffer.from('COUNTER!');

function signRequest(ring: string): SignRequest {
  const message = Buffer.alloc(MESSAGE_BYTES, 'benchmark ');
  COUNTER.copy(message, MESSAGE_BYTES - COUNTER.byteLength);
  return { ...SignRequest.create(), ring, payload: { $case: 'message', value: { message } } };
}

const one = (ring: string): Uint8Array => SignRequest.encode(signRequest(ring)).finish();

/** With a request id that no other load has: as in a session, the answer is kept for a retry. */
function oneWithId(ring: string): Uint8Array {
  const requestId = Buffer.concat([randomBytes(REQUEST_ID_BYTES - COUNTER.byteLength), COUNTER]);
  return SignRequest.encode({ ...signRequest(ring), requestId }).finish();
}

function batch(ring: string): Uint8Array {
  const items = Array<SignRequest>(BATCH).fill(signRequest(ring));
  return SignBatchRequest.encode({ items }).finish();
}

function countersIn(message: Uint8Array): number[] {
  const bytes = Buffer.from(message);
  const found: number[] = [];
  for (let at = bytes.indexOf(COUNTER); at >= 0; at = bytes.indexOf(COUNTER, at + 1)) {
    found.push(at);
  }
  return found;
}

/** The ceilings' own server, with a real answer's size and the stack's certificates. */
async function echoOf({ stack, known }: Service): Promise<EchoServer> {
  const load = loadOf(stack.target, METHODS.sign, one(RINGS.enclave), 1);
  const { samples } = await measureLoad({ ...load, warmUpMs: 0 }, {}, 100);
  await requireRight(samples, ofSign, known);
  const { ca } = stack.target;
  return startEcho({ answer: samples[0]?.answer ?? new Uint8Array(0), ca, ...stack.server });
}

function loadOf(target: Target, path: string, message: Uint8Array, callers: number): Load {
  return {
    target,
    path,
    message,
    countAt: countersIn(message),
    callers,
    warmUpMs: WARM_UP_MS,
  };
}

async function startService(release: Release, bundles?: string): Promise<Service> {
  const stack = await BenchStack.start(bundles === undefined ? {} : { bundles });
  const client = stack.client();
  try {
    return { release, stack, known: await learn(client, Object.values(RINGS)) };
  } catch (error) {
    await stack.stop();
    throw error;
  } finally {
    client.close();
  }
}

/** Everything that is up. */
interface Bench {
  readonly options: BenchOptions;
  readonly durable: Service;
  readonly chained: Service;
  readonly echo: EchoServer;
}

const opensslName = (algorithm: string): string => `openssl speed ${algorithm}`;

async function loops({ seconds, onRow }: BenchOptions): Promise<void> {
  const speed = await opensslSpeed(Math.min(Math.ceil(seconds), MAX_OPENSSL_SECONDS));
  for (const [name, perSecond] of Object.entries(speed ?? {})) {
    onRow({ name: opensslName(name), perSecond });
  }
  onRow({ name: HSM_LOOP, perSecond: await cSignLoop(HSM_PROCESSES, seconds) });
}

function measureEcho({ durable, echo }: Bench, callers: number, ms: number): Promise<LoadFigures> {
  const { target } = durable.stack;
  const request = one(RINGS.enclave);
  const load = loadOf({ ...target, port: echo.port }, ECHO_PATH, request, callers);
  return measureLoad(load, { host: [echo.pid] }, ms);
}

async function measureSign(
  { stack, known }: Service,
  residency: keyof typeof RINGS,
  callers: number,
  ms: number,
): Promise<LoadFigures> {
  const load = loadOf(stack.target, METHODS.sign, one(RINGS[residency]), callers);
  const figures = await measureLoad(load, stack.pids, ms);
  await requireRight(figures.samples, ofSign, known);
  return figures;
}

/** Whom a session is opened with now: evidence is renewed while the service runs. */
async function peerOf({ stack }: Service): Promise<SessionPeer> {
  const client = stack.client();
  try {
    return sessionPeer(await claimsOf(client));
  } finally {
    client.close();
  }
}

/** The same calls, as they are and in a session, in turns. */
interface SessionFigures {
  readonly plain: LoadFigures;
  readonly byCall: LoadFigures;
  readonly byStream: LoadFigures;
}

async function measureSession(
  service: Service,
  callers: number,
  ms: number,
): Promise<SessionFigures> {
  const { stack, known } = service;
  const load = (): Load => ({
    ...loadOf(stack.target, METHODS.sign, oneWithId(RINGS.enclave), callers),
    warmUpMs: SESSION_WARM_UP_MS,
  });
  const peer = await peerOf(service);
  const loads: Load[] = [
    load(),
    { ...load(), session: { peer, carrier: 'callSession' } },
    { ...load(), session: { peer, carrier: 'streamSession' } },
  ];
  const figures = await measureInTurns(loads, stack.pids, ms);
  for (const { samples } of figures) await requireRight(samples, ofSign, known);
  const [plain, byCall, byStream] = figures;
  if (plain === undefined || byCall === undefined || byStream === undefined) {
    throw new Error('not three figures');
  }
  return { plain, byCall, byStream };
}

async function measureBatch({ stack, known }: Service, ms: number): Promise<LoadFigures> {
  const request = batch(RINGS.enclave);
  const load = loadOf(stack.target, METHODS.signBatch, request, BATCH_CALLERS);
  const figures = await measureLoad(load, stack.pids, ms);
  await requireRight(figures.samples, ofSignBatch, known);
  return figures;
}

/** Code that ran some thousand times only is still interpreted, and costs ten times as much. */
async function warmUp(bench: Bench): Promise<void> {
  const callers = Math.max(...CALLERS);
  const limitMs = Math.min(bench.options.seconds * WARM_UP_FACTOR * 1000, LONGEST_WARM_UP_MS);
  const warm = async (measure: () => Promise<LoadFigures>): Promise<void> => {
    const begun = performance.now();
    for (let calls = 0; calls < WARM_UP_CALLS && performance.now() - begun < limitMs;) {
      calls += (await measure()).callsPerSecond * (WARM_UP_SLICE_MS / 1000);
    }
  };
  await warm(() => measureEcho(bench, callers, WARM_UP_SLICE_MS));
  for (const service of [bench.durable, bench.chained]) {
    await warm(() => measureSign(service, 'enclave', callers, WARM_UP_SLICE_MS));
    await measureBatch(service, WARM_UP_SLICE_MS);
  }
  await measureSession(bench.durable, callers, limitMs / SESSION_WARM_UP_PART);
}

async function round(bench: Bench): Promise<void> {
  const { options, durable, chained } = bench;
  const { onRow } = options;
  const ms = options.seconds * 1000;
  await loops(options);
  for (const callers of CALLERS) {
    const ceiling = `echo, ${String(callers)} callers`;
    const echoed = await measureEcho(bench, callers, ms);
    onRow({ name: ceiling, perSecond: echoed.callsPerSecond, load: echoed });
    for (const service of [durable, chained]) {
      const load = await measureSign(service, 'enclave', callers, ms);
      const name = `Sign ES256 enclave, ${service.release}, ${String(callers)} callers`;
      onRow({ name, perSecond: load.callsPerSecond, load, ceiling });
    }
  }
  for (const service of [durable, chained]) {
    const load = await measureBatch(service, ms);
    const what = `${String(BATCH)} ES256 enclave, ${service.release}`;
    onRow({
      name: `SignBatch of ${what}, ${String(BATCH_CALLERS)} callers`,
      perSecond: load.callsPerSecond * BATCH,
      load,
      ceiling: opensslName('ES256'),
    });
  }
  await measureSessionRows(bench, ms);
  const load = await measureSign(durable, 'hsm', HSM_CALLERS, ms);
  const name = `Sign ES256 hsm, durable, ${String(HSM_CALLERS)} callers`;
  onRow({ name, perSecond: load.callsPerSecond, load, ceiling: HSM_LOOP });
}

async function measureSessionRows(
  { options: { onRow }, durable }: Bench,
  ms: number,
): Promise<void> {
  const what = `Sign ES256 enclave, durable, ${String(SESSION_CALLERS)} callers`;
  const { plain, byCall, byStream } = await measureSession(durable, SESSION_CALLERS, ms);
  const ceiling = `${what}, in turns`;
  onRow({ name: ceiling, perSecond: plain.callsPerSecond, load: plain });
  const inSession = (how: string, load: LoadFigures): void => {
    const name = `${what}, in a session, ${how}`;
    const perSecond = load.callsPerSecond;
    onRow({ name, perSecond, load, ceiling, leastShare: LEAST_SESSION_SHARE });
  };
  inSession('by CallSession', byCall);
  inSession('by StreamSession', byStream);
}

/** Measures everything. Rejects when a call was refused, or when a signature or a receipt of a sample is false. */
export async function runRounds(options: BenchOptions): Promise<void> {
  const bundles = mkdtempSync('/tmp/sw-bench-bundles-');
  const ends: (() => unknown)[] = [
    () => {
      rmSync(bundles, { recursive: true, force: true });
    },
  ];
  try {
    await buildEnclaveWith(ROOT, CHAINED_ENTRY, bundles);
    const durable = await startService('durable');
    ends.push(() => durable.stack.stop());
    const chained = await startService('chained', bundles);
    ends.push(() => chained.stack.stop());
    const echo = await echoOf(durable);
    ends.push(() => echo.stop());
    const bench = { options, durable, chained, echo };
    await warmUp(bench);
    for (let i = 0; i < options.rounds; i += 1) await round(bench);
  } finally {
    for (const end of ends.reverse()) await end();
  }
}
