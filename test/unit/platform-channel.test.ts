import { EventEmitter } from 'node:events';
import { describe, expect, it } from 'vitest';
import { SimulatedPlatform } from '../../enclave/platform/simulated/attester.ts';
import { PlatformChannel } from '../../enclave/platform/simulated/channel.ts';
import { checkLaunch, receiveLaunch } from '../../enclave/platform/simulated/launch.ts';
import { PlatformFailure } from '../../enclave/ports.ts';
import {
  PlatformMessage,
  PlatformRequest,
  type Launch,
} from '../../enclave/wire/gen/sealwright/enclave/v1/platform.ts';
import { MAX_PLATFORM_CALLS } from '../../enclave/wire/limits.ts';
import { canonicalize, type SignedJson } from '../../enclave/wire/signed-json.ts';

const manifest = (members: Readonly<Record<string, SignedJson>>): Uint8Array =>
  canonicalize({
    nodeFlags: ['--frozen-intrinsics'],
    moduleEnvironment: { SOFTHSM2_CONF: '@config', EMPTY: '' },
    suite: 'p256-hkdf-sha256-aes256gcm',
    ...members,
  });

const goodLaunch: Launch = {
  measurements: [0, 1, 2].map((i) => new Uint8Array(48).fill(i)),
  svn: 1,
  platformId: new Uint8Array(32).fill(9),
  linkSocket: '/run/link',
  workerCommand: ['/p/loader', '/p/node', ''],
  workerEnvironment: { SOFTHSM2_CONF: '/p/module.conf', EMPTY: '' },
  modulePath: '/p/module.so',
  workers: 2,
  launchManifest: manifest({}),
  endorsements: [Uint8Array.of(0x30)],
  requiredHardening: ['no-network'],
};

/** The platform's end, in memory. */
class FakeStream extends EventEmitter {
  readonly written: Uint8Array[] = [];
  destroyed = false;
  write(bytes: Uint8Array): void {
    this.written.push(bytes);
  }
  destroy(): void {
    this.destroyed = true;
  }
  send(message: PlatformMessage['message'], pieceBytes = Number.MAX_SAFE_INTEGER): void {
    const body = PlatformMessage.encode({ message }).finish();
    const frame = Buffer.alloc(4 + body.byteLength);
    frame.writeUInt32BE(body.byteLength);
    frame.set(body, 4);
    for (let at = 0; at < frame.byteLength; at += pieceBytes) {
      this.emit('data', Uint8Array.from(frame.subarray(at, at + pieceBytes)));
    }
  }
  respond(id: bigint, result: Uint8Array, refused = false): void {
    this.send({ $case: 'response', value: { id, refused, result } });
  }
}

function open(deadlineMs = 10_000): {
  stream: FakeStream;
  channel: PlatformChannel;
  closings: () => number;
} {
  const stream = new FakeStream();
  let closings = 0;
  const onClose = (): void => {
    closings += 1;
  };
  const channel = new PlatformChannel(stream, onClose, { deadlineMs });
  return { stream, channel, closings: () => closings };
}

async function launched(
  deadlineMs?: number,
): Promise<ReturnType<typeof open> & { platform: SimulatedPlatform }> {
  const opened = open(deadlineMs);
  opened.stream.send({ $case: 'launch', value: goodLaunch });
  const launch = await receiveLaunch(opened.channel);
  return { ...opened, platform: new SimulatedPlatform(opened.channel, launch) };
}

describe('channel', () => {
  it('takes a launch that comes byte by byte', async () => {
    const { stream, channel } = open();
    stream.send({ $case: 'launch', value: goodLaunch }, 1);
    const launch = await receiveLaunch(channel);
    expect(launch.workerCommand).toEqual(goodLaunch.workerCommand);
    expect(launch.measurements).toEqual(goodLaunch.measurements);
  });

  it('numbers its calls and matches the answers', async () => {
    const { stream, platform } = await launched();
    const boot = platform.deriveSecret('boot/v1');
    const root = platform.deriveSecret('root/v1');
    stream.respond(2n, new Uint8Array(32).fill(2));
    stream.respond(1n, new Uint8Array(32).fill(1));
    expect((await boot)[0]).toBe(1);
    expect((await root)[0]).toBe(2);
    const bodies = stream.written.filter((_, i) => i % 2 === 1);
    expect(bodies.map((body) => PlatformRequest.decode(body).id)).toEqual([1n, 2n]);
  });

  it('copies what it hands out', async () => {
    const { stream, platform } = await launched();
    const answer = platform.deriveSecret('boot/v1');
    stream.respond(1n, new Uint8Array(32).fill(7));
    const secret = await answer;
    expect(secret.buffer.byteLength).toBe(32);
  });

  it('passes a refusal on and lives', async () => {
    const { stream, platform, closings } = await launched();
    const answer = platform.deriveSecret('boot/v1');
    stream.respond(1n, new Uint8Array(0), true);
    await expect(answer).rejects.toMatchObject({ kind: 'refused' });
    expect(closings()).toBe(0);
  });

  it('gives up a call that is not answered in time, and drops the late answer', async () => {
    const { stream, platform, closings } = await launched(20);
    await expect(platform.deriveSecret('boot/v1')).rejects.toMatchObject({ kind: 'silent' });
    const next = platform.deriveSecret('root/v1');
    stream.respond(1n, new Uint8Array(32).fill(1));
    stream.respond(2n, new Uint8Array(32).fill(2));
    expect((await next)[0]).toBe(2);
    expect(closings()).toBe(0);
  });

  it('takes an answer that came while this process could not run', async () => {
    const { stream, platform } = await launched(20);
    const answer = platform.deriveSecret('boot/v1');
    setTimeout(() => {
      const until = performance.now() + 50;
      while (performance.now() < until);
      // As a socket gives it: after the timers that are due by now, the deadline's among them.
      setImmediate(() => {
        stream.respond(1n, new Uint8Array(32).fill(1));
      });
    }, 0);
    expect((await answer)[0]).toBe(1);
  });

  it('asks no more of a platform that answers nothing, until it answers', async () => {
    const { stream, platform } = await launched(20);
    const calls = Array.from({ length: MAX_PLATFORM_CALLS }, () =>
      platform.deriveSecret('boot/v1'),
    );
    for (const call of calls) await expect(call).rejects.toMatchObject({ kind: 'silent' });
    const written = stream.written.length;
    await expect(platform.deriveSecret('root/v1')).rejects.toMatchObject({ kind: 'silent' });
    expect(stream.written.length).toBe(written);
    stream.respond(1n, new Uint8Array(32));
    const next = platform.deriveSecret('root/v1');
    stream.respond(BigInt(MAX_PLATFORM_CALLS) + 1n, new Uint8Array(32).fill(9));
    expect((await next)[0]).toBe(9);
  });

  it.each([
    ['garbage', (s: FakeStream) => s.emit('data', Uint8Array.of(0, 0, 0, 2, 0xff, 0xff))],
    ['length 0', (s: FakeStream) => s.emit('data', new Uint8Array(4))],
    ['an oversize', (s: FakeStream) => s.emit('data', Uint8Array.of(0x7f, 0, 0, 0))],
    [
      'a second launch',
      (s: FakeStream) => {
        s.send({ $case: 'launch', value: goodLaunch });
      },
    ],
    [
      'no message',
      (s: FakeStream) => {
        s.send(undefined);
      },
    ],
    [
      'an answer to nothing',
      (s: FakeStream) => {
        s.respond(5n, new Uint8Array(32));
      },
    ],
    [
      'an answer twice',
      (s: FakeStream) => {
        [1, 2].forEach(() => {
          s.respond(1n, new Uint8Array(32));
        });
      },
    ],
    ['an error', (s: FakeStream) => s.emit('error', new Error('reset'))],
    ['its end', (s: FakeStream) => s.emit('close')],
  ])('closes on %s, once, and rejects what waits', async (_, disturb) => {
    const { stream, platform, closings } = await launched();
    const first = platform.deriveSecret('boot/v1').catch(() => undefined);
    const second = platform.deriveSecret('root/v1');
    disturb(stream);
    stream.emit('close');
    await expect(second).rejects.toThrow(PlatformFailure);
    await first;
    await expect(platform.deriveSecret('boot/v1')).rejects.toThrow(PlatformFailure);
    expect(closings()).toBe(1);
    expect(stream.destroyed).toBe(true);
  });

  it('rejects the launch when the platform goes before it', async () => {
    const { stream, channel } = open();
    stream.emit('close');
    await expect(receiveLaunch(channel)).rejects.toThrow(PlatformFailure);
  });

  it('closes on answers of another length', async () => {
    for (const length of [0, 31, 33]) {
      const { stream, platform, closings } = await launched();
      const answer = platform.deriveSecret('boot/v1');
      stream.respond(1n, new Uint8Array(length));
      await expect(answer).rejects.toThrow(PlatformFailure);
      expect(closings()).toBe(1);
    }
    const { stream, platform, closings } = await launched();
    const answer = platform.quote(new Uint8Array(64));
    stream.respond(1n, new Uint8Array(375));
    await expect(answer).rejects.toThrow(PlatformFailure);
    expect(closings()).toBe(1);
  });

  it('asks for no quote over another length', async () => {
    const { stream, platform } = await launched();
    for (const length of [0, 63, 65]) {
      await expect(platform.quote(new Uint8Array(length))).rejects.toThrow(RangeError);
    }
    expect(stream.written).toEqual([]);
  });
});

describe('launch', () => {
  const changes: readonly (readonly [string, Partial<Launch>])[] = [
    ['two registers', { measurements: goodLaunch.measurements.slice(1) }],
    ['four registers', { measurements: [...goodLaunch.measurements, new Uint8Array(48)] }],
    ['a short register', { measurements: [0, 1, 2].map(() => new Uint8Array(47)) }],
    ['svn 0', { svn: 0 }],
    ['a short platform id', { platformId: new Uint8Array(31) }],
    ['no worker', { workers: 0 }],
    ['17 workers', { workers: 17 }],
    ['no command', { workerCommand: [] }],
    ['a relative program', { workerCommand: ['node'] }],
    ['a zero byte', { workerCommand: ['/node', 'a\0b'] }],
    ['65 words', { workerCommand: Array<string>(65).fill('/x') }],
    ['a relative module', { modulePath: 'module.so' }],
    ['no socket', { linkSocket: '' }],
    ['a long socket', { linkSocket: `/${'x'.repeat(107)}` }],
    ['a variable name', { workerEnvironment: { 'A=B': '' } }],
    ['no manifest', { launchManifest: new Uint8Array(0) }],
    ['a manifest that is no JSON', { launchManifest: Uint8Array.of(1) }],
    ['a manifest without flags', { launchManifest: manifest({ nodeFlags: {} }) }],
    ['a flag that is none', { launchManifest: manifest({ nodeFlags: [{}] }) }],
    ['a manifest without a suite', { launchManifest: manifest({ suite: 2 }) }],
    ['a suite that is none', { launchManifest: manifest({ suite: 'x25519' }) }],
    ['a variable that was not measured', { workerEnvironment: { A: 'b' } }],
    [
      'one variable more than measured',
      { workerEnvironment: { ...goodLaunch.workerEnvironment, LD_PRELOAD: '/x.so' } },
    ],
    ['another value than measured', { workerEnvironment: { SOFTHSM2_CONF: '/p', EMPTY: 'x' } }],
    ['17 required words', { requiredHardening: Array<string>(17).fill('no-network') }],
    ['no endorsements', { endorsements: [] }],
    ['five endorsements', { endorsements: Array<Uint8Array>(5).fill(Uint8Array.of(1)) }],
    ['an empty endorsement', { endorsements: [new Uint8Array(0)] }],
  ];

  it('is taken as it is when it is right', () => {
    const measured = { nodeFlags: ['--frozen-intrinsics'], suite: 2 };
    expect(checkLaunch(goodLaunch)).toEqual({ ...goodLaunch, ...measured });
  });

  it.each(changes)('is refused with %s, and ends the channel', async (_, change) => {
    const { stream, channel, closings } = open();
    stream.send({ $case: 'launch', value: { ...goodLaunch, ...change } });
    await expect(receiveLaunch(channel)).rejects.toThrow(PlatformFailure);
    expect(closings()).toBe(1);
  });
});
