/**
 * The log on a disk that is really full: a small tmpfs. What test/e2e/log-disk.test.ts makes up, the kernel does here:
 * writes that stop half-way, files that can't be made, a start without a free page.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { SignResponse } from '../../src/gen/sealwright/v1/signing.ts';
import { SignerError } from '../../src/client/signer-error.ts';
import { KillStack, RING } from '../support/kill-stack.ts';
import { knownLog, LogReader } from '../support/log-reader.ts';
import { LogReplica } from '../support/log-replica.ts';
import { SmallDisk, smallDiskIsMissing } from '../support/small-disk.ts';
import { until } from '../support/stack.ts';

/** Two files of the journal, and tiles of some thousand leaves. */
const DISK_BYTES = 4 * 1024 * 1024;
const CALLERS = 48;
const PATIENCE_MS = 60_000;

const missing = smallDiskIsMissing();
if (missing !== undefined) {
  process.stderr.write(`SKIPPED: no tmpfs can be mounted, no disk gets really full: ${missing}\n`);
}

let stack: KillStack;
let disk: SmallDisk;
let reader: LogReader;
let replica: LogReplica;
/** Not checked yet. */
let answers: SignResponse[] = [];

/** One signature of each caller at once; what became of them. */
async function signMany(text: string, callers = CALLERS): Promise<ReadonlySet<string>> {
  const client = stack.client();
  const one = async (number: number): Promise<string> => {
    const message = Buffer.from(`${text} ${String(number)}`);
    const payload = { $case: 'message', value: { message } } as const;
    try {
      answers.push(await client.sign({ ring: RING, payload }, { timeoutMs: 10_000 }));
      return 'signed';
    } catch (error) {
      return error instanceof SignerError ? error.reason : String(error);
    }
  };
  try {
    return new Set(await Promise.all(Array.from({ length: callers }, (_, i) => one(i))));
  } finally {
    client.close();
  }
}

/** Every receipt that anybody has got by now is in the log, and the log is still one. Resolves with its size. */
async function audit(): Promise<number> {
  const { size } = await replica.follow(reader);
  // A log that lost leaves and went on would be another tree; one that only lost them is shorter.
  expect(size).toBe(replica.leaves.length);
  for (const answer of answers) await replica.requireLogged(answer, reader);
  answers = [];
  return size;
}

/** Leaves nothing free, and signs until the room is used up that the journal had before. */
async function fillUp(): Promise<void> {
  disk.fill();
  await until(async () => {
    const outcomes = await signMany('to the brim');
    disk.fill();
    return !outcomes.has('signed');
  }, PATIENCE_MS);
  expect(disk.freeBytes).toBe(0);
}

const healed = (): Promise<number> =>
  until(async () => (await signMany('again', 1)).has('signed'), PATIENCE_MS);

describe.skipIf(missing !== undefined)('a disk that is really full', () => {
  beforeAll(async () => {
    stack = await KillStack.start({
      logDisk: async (folder) => {
        disk = await SmallDisk.mount(folder, DISK_BYTES);
        return disk;
      },
    });
    const log = await knownLog(stack);
    reader = new LogReader(stack, log);
    replica = new LogReplica(log);
  }, 60_000);

  afterAll(async () => {
    reader.close();
    await stack.close();
  });

  it('makes signing wait, and signing goes on when there is room', async () => {
    expect(await signMany('first')).toEqual(new Set(['signed']));
    await fillUp();
    const before = await audit();
    expect(await signMany('too late', 3)).toEqual(new Set(['LOG_UNAVAILABLE']));
    expect((await stack.readiness())?.phase).toBe('SERVING');
    // Readers still read, and see nothing half-written.
    expect(await audit()).toBe(before);
    disk.free();
    await healed();
    expect(await audit()).toBeGreaterThan(before + 1);
    expect(stack.host.events('log.failed')).toEqual([]);
  });

  it('loses nothing when both are killed and start while it is full', async () => {
    await fillUp();
    const before = await audit();
    await stack.between(() => undefined);
    // The boot has a leaf to write, and waits for room with it.
    await until(async () => (await stack.readiness())?.phase === 'BOOTING', PATIENCE_MS);
    expect(disk.freeBytes).toBe(0);
    disk.free();
    await stack.serving();
    await healed();
    expect(await audit()).toBeGreaterThan(before + 1);
    expect(stack.host.events('log.damaged')).toEqual([]);
    expect(stack.host.events('log.failed')).toEqual([]);
  });
});
