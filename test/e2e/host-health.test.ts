import type { Client } from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Phase } from '../../enclave/wire/gen/sealwright/v1/status.ts';
import { METHODS } from '../../enclave/wire/methods.ts';
import { SIGN_RESPONSE } from '../support/fake-enclave.ts';
import { HostBed, call, until, type HostProcess } from '../support/host-harness.ts';

const CHECK = '/grpc.health.v1.Health/Check';
const WATCH = '/grpc.health.v1.Health/Watch';
const SERVICES = [
  '',
  'sealwright.v1.SigningService',
  'sealwright.v1.KeyService',
  'sealwright.v1.StatusService',
  'sealwright.v1.GenesisService',
];

/** HealthCheckRequest { string service = 1 } and HealthCheckResponse { ServingStatus status = 1 }. */
const request = (service: string): Buffer =>
  service === ''
    ? Buffer.alloc(0)
    : Buffer.concat([Buffer.from([0x0a, service.length]), Buffer.from(service)]);
const STATES = ['UNKNOWN', 'SERVING', 'NOT_SERVING', 'SERVICE_UNKNOWN'];
const state = (bytes: Buffer | undefined): string => STATES[bytes?.[1] ?? 0] ?? '?';

const check = async (client: Client, service = ''): Promise<string> => {
  const outcome = await call(client, CHECK, request(service));
  return outcome.code === 0 ? state(outcome.answer) : `error ${String(outcome.code)}`;
};

interface Watched {
  readonly states: string[];
  readonly ended: Promise<number>;
}

function watch(client: Client, service = ''): Watched {
  const identity = (bytes: Buffer): Buffer => bytes;
  const states: string[] = [];
  const stream = client.makeServerStreamRequest(WATCH, identity, identity, request(service));
  stream.on('data', (bytes: Buffer) => states.push(state(bytes)));
  const ended = new Promise<number>((resolve) => {
    stream.on('error', () => undefined);
    stream.on('status', ({ code }) => {
      resolve(code);
    });
  });
  return { states, ended };
}

describe('health follows the enclave', () => {
  const bed = new HostBed();
  let host: HostProcess;
  let client: Client;

  beforeAll(async () => {
    host = await bed.start();
    client = bed.client(host, 'none');
  });
  afterAll(() => bed.close());

  it('answers before an enclave exists', async () => {
    for (const service of SERVICES) expect(await check(client, service)).toBe('NOT_SERVING');
    expect(await check(client, 'nobody.Knows')).toBe('error 5');
    expect(await host.readyz()).toEqual({
      status: 503,
      body: { ready: false, phase: 'UNSPECIFIED' },
    });
    expect((await fetch(`http://${host.http}/livez`)).status).toBe(200);
  });

  it('is SERVING in phase SERVING only, within half a second, and tells watchers', async () => {
    const watched = watch(client, 'sealwright.v1.SigningService');
    bed.enclave.setPhase(Phase.PHASE_BOOTING);
    await bed.enclave.listen();
    const steps: readonly [Phase, string, string][] = [
      [Phase.PHASE_SETUP, 'SETUP', 'NOT_SERVING'],
      [Phase.PHASE_SERVING, 'SERVING', 'SERVING'],
      [Phase.PHASE_DRAINING, 'DRAINING', 'NOT_SERVING'],
      [Phase.PHASE_SERVING, 'SERVING', 'SERVING'],
      [Phase.PHASE_HALTED, 'HALTED', 'NOT_SERVING'],
      [Phase.PHASE_SERVING, 'SERVING', 'SERVING'],
    ];
    for (const [phase, name, expected] of steps) {
      bed.enclave.setPhase(phase, phase === Phase.PHASE_HALTED ? 'PIN_REJECTED' : '');
      await until(async () => (await host.readyz()).body['phase'] === name, name);
      for (const service of SERVICES) expect(await check(client, service)).toBe(expected);
      const { status, body } = await host.readyz();
      expect(status).toBe(name === 'SERVING' ? 200 : 503);
      expect(body['haltReason']).toBe(name === 'HALTED' ? 'PIN_REJECTED' : undefined);
    }
    expect(watched.states).toEqual([
      'NOT_SERVING',
      'SERVING',
      'NOT_SERVING',
      'SERVING',
      'NOT_SERVING',
      'SERVING',
    ]);
  });

  it('is NOT_SERVING at once when the enclave dies', async () => {
    const since = performance.now();
    await bed.enclave.kill();
    await until(async () => (await check(client)) === 'NOT_SERVING', 'NOT_SERVING');
    expect(performance.now() - since).toBeLessThan(200);
    await bed.enclave.listen();
    await until(async () => (await check(client)) === 'SERVING', 'SERVING');
  });

  it('is NOT_SERVING when the enclave does not answer any more', async () => {
    bed.enclave.pause();
    await until(async () => (await check(client)) === 'NOT_SERVING', 'NOT_SERVING');
    bed.enclave.resume();
    await until(async () => (await check(client)) === 'SERVING', 'SERVING');
  });

  it('tells an alarm of the enclave once, shows it while it lasts, and no word that it does not know', async () => {
    const shown = async (): Promise<boolean> =>
      (await host.metrics()).includes('sealwright_alarm{alarm="EVIDENCE_RENEWAL_FAILS"} 1');
    bed.enclave.alarms = ['EVIDENCE_RENEWAL_FAILS', 'ANYTHING'];
    await until(shown, 'the alarm');
    expect(await host.metrics()).not.toContain('ANYTHING');
    bed.enclave.alarms = [];
    await until(async () => !(await shown()), 'its end');
    const told = host.logs.filter(({ event }) => event === 'enclave.alarm');
    expect(told).toMatchObject([{ level: 'error', alarm: 'EVIDENCE_RENEWAL_FAILS' }]);
    expect(await check(client)).toBe('SERVING');
  });

  it('serves metrics and nothing else', async () => {
    await call(bed.client(host), METHODS.sign);
    const text = await host.metrics();
    expect(text).toContain(
      'sealwright_calls_total{method="/sealwright.v1.SigningService/Sign",status="UNIMPLEMENTED"} 1',
    );
    expect(text).toMatch(
      /sealwright_call_seconds_bucket\{method="\/sealwright.v1.SigningService\/Sign",le="\+Inf"\} 1/,
    );
    expect(text).toContain('sealwright_link_up 1');
    expect(text).toContain('sealwright_phase{phase="SERVING"} 1');
    for (const line of text.trimEnd().split('\n')) {
      expect(line).toMatch(
        /^(# (HELP|TYPE) [a-z_]+ .+|[a-z_]+(\{[a-z]+="[^"\\]*"(,[a-z]+="[^"\\]*")*\})? [0-9.e+-]+)$/,
      );
    }
    const other = await fetch(`http://${host.http}/jwks.json`);
    expect(other.status).toBe(404);
    expect(await other.json()).toEqual({ error: 'NOT_FOUND' });
    expect((await fetch(`http://${host.http}/livez`, { method: 'POST', body: 'x' })).status).toBe(
      405,
    );
  });
});

describe('a drain', () => {
  it('refuses new connections, finishes what is in flight, and exits 0', async () => {
    const bed = new HostBed();
    const host = await bed.serve();
    let answer = (): void => undefined;
    bed.enclave.on(
      METHODS.sign,
      () =>
        new Promise((resolve) => {
          answer = () => {
            resolve(SIGN_RESPONSE);
          };
        }),
    );
    const client = bed.client(host);
    const watched = watch(bed.client(host, 'none'));
    const waiting = call(client, METHODS.sign);
    await until(
      () => bed.enclave.calls.length === 1 && watched.states.length === 1,
      'a call and a watcher',
    );
    const exit = host.stop('SIGTERM');
    await host.logged('host.draining');
    await until(() => watched.states.at(-1) === 'NOT_SERVING', 'NOT_SERVING');
    expect(await watched.ended).toBe(14);
    expect(await host.readyz()).toMatchObject({ status: 503, body: { phase: 'HOST_DRAINING' } });
    expect(
      await call(bed.client(host), METHODS.sign, undefined, { deadlineMs: 500 }),
    ).not.toMatchObject({ code: 0 });
    expect(host.child.exitCode).toBeNull();
    answer();
    expect((await waiting).code).toBe(0);
    expect(await exit).toBe(0);
    expect(host.events('host.stopped')).toMatchObject([{ cutCalls: 0 }]);
    await bed.close();
  });

  it('cuts calls that outlast drainSeconds, and at a second signal', async () => {
    const bed = new HostBed();
    bed.enclave.on(METHODS.sign, () => new Promise(() => undefined));
    const host = await bed.serve({ drainSeconds: 0.3 });
    const waiting = call(bed.client(host), METHODS.sign);
    await until(() => bed.enclave.calls.length === 1, 'a call');
    expect(await host.stop('SIGINT')).toBe(0);
    expect(host.events('host.stopped')).toMatchObject([{ cutCalls: 1 }]);
    expect([1, 14]).toContain((await waiting).code);

    const patient = await bed.start({ drainSeconds: 60 });
    await until(async () => (await patient.readyz()).status === 200, 'ready');
    const second = call(bed.client(patient), METHODS.sign);
    await until(() => bed.enclave.calls.length === 2, 'a call');
    patient.child.kill('SIGTERM');
    await patient.logged('host.draining');
    expect(await patient.stop('SIGTERM')).toBe(0);
    expect([1, 14]).toContain((await second).code);
    await bed.close();
  });
});
