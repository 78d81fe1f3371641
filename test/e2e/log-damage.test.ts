/**
 * What becomes of a service whose log was changed while it was down: halted by name before a new signature, or served
 * on while reads over the damage are refused by name. And the one thing that no boot can see.
 */
import { cpSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { concatBytes, u32 } from '../../enclave/wire/bytes.ts';
import { LogAppendRequest } from '../../enclave/wire/gen/sealwright/enclave/v1/log_store.ts';
import type { SignResponse } from '../../src/gen/sealwright/v1/signing.ts';
import type { KnownLog } from '../../src/tlog/verify-checkpoint.ts';
import { KillStack, RING } from '../support/kill-stack.ts';
import { knownLog, LogReader, ReadRefused } from '../support/log-reader.ts';
import { LogReplica } from '../support/log-replica.ts';

let stack: KillStack;
let other: KillStack;
let log: KnownLog;
let reader: LogReader;
const answers: SignResponse[] = [];

async function sign(count: number): Promise<void> {
  const client = stack.client();
  try {
    const request = {
      ring: RING,
      payload: { $case: 'message' as const, value: { message: Buffer.from('m') } },
      algorithm: 0,
      encoding: 0,
      requestId: new Uint8Array(0),
      declineReceipt: false,
    } as const;
    const work = Array.from({ length: count }, () => client.sign(request));
    answers.push(...(await Promise.all(work)));
  } finally {
    client.close();
  }
}

const inLog = (name: string): string => join(stack.logFolder, name);
const saved = (name: string): string => join(stack.folder, `saved-${name}`);

/** Log and store as they are now; nothing may run. */
function save(name: string): void {
  cpSync(stack.logFolder, join(saved(name), 'log'), { recursive: true });
  for (const file of readdirSync(stack.folder).filter((entry) => entry.startsWith('store.db'))) {
    cpSync(join(stack.folder, file), join(saved(name), file));
  }
}

function restore(name: string): void {
  rmSync(stack.logFolder, { recursive: true, force: true });
  for (const file of readdirSync(stack.folder).filter((entry) => entry.startsWith('store.db'))) {
    rmSync(join(stack.folder, file));
  }
  cpSync(saved(name), stack.folder, { recursive: true });
}

/** The service over a saved state that was changed. */
async function startOver(name: string, change: () => void): Promise<void> {
  await stack.between(() => {
    restore(name);
    change();
  });
}

const journal = (): string =>
  inLog(
    readdirSync(stack.logFolder)
      .filter((name) => name.startsWith('journal'))
      .sort()
      .at(-1) ?? '',
  );

const HEADER_BYTES = 12;
const MAGIC = Buffer.from('SWrc');

/** Cuts the last record; the room behind it goes too. */
function cutJournal(): void {
  const bytes = readFileSync(journal());
  const end = bytes.findLastIndex((byte) => byte !== 0);
  writeFileSync(journal(), bytes.subarray(0, end));
}

/** Changes the batches of the journal as somebody does who knows its format. */
function rewrite(change: (batches: LogAppendRequest[]) => LogAppendRequest[]): void {
  const file = journal();
  const bytes = readFileSync(file);
  const begin = bytes.indexOf(MAGIC);
  const batches: LogAppendRequest[] = [];
  for (let at = begin; MAGIC.equals(bytes.subarray(at, at + MAGIC.byteLength));) {
    const length = bytes.readUInt32BE(at + 4);
    const start = at + HEADER_BYTES;
    batches.push(LogAppendRequest.decode(bytes.subarray(start, start + length)));
    at = start + length;
  }
  const records = change(batches).map((batch) => {
    const payload = LogAppendRequest.encode(batch).finish();
    return concatBytes(MAGIC, u32(payload.byteLength), u32(crc32(payload)), payload);
  });
  writeFileSync(file, concatBytes(bytes.subarray(0, begin), ...records));
}

/** Leaves of the last batches, of which the index says nothing yet. */
function changeLastLeaves(change: (leaves: Uint8Array[]) => Uint8Array[]): void {
  rewrite((batches) => {
    const last = batches.at(-1);
    if (last === undefined) throw new Error('no batch');
    return [...batches.slice(0, -1), { ...last, leaves: change([...last.leaves]) }];
  });
}

beforeAll(async () => {
  [stack, other] = await Promise.all([KillStack.start(), KillStack.start()]);
  log = await knownLog(stack);
  reader = new LogReader(stack, log);
  await sign(300);
  await stack.stopHost();
  await stack.killEnclave();
  save('older');
  await Promise.all([stack.startHost(), stack.startEnclave()]);
  await stack.serving();
  // Above a MiB of leaves, so that the journal has let go of the first ones.
  for (let i = 0; i < 6; i += 1) await sign(600);
  expect(readdirSync(stack.logFolder)).not.toContain(`journal-${'0'.repeat(16)}`);
  await stack.stopHost();
  await stack.killEnclave();
  // The host's drain made the enclave write the log's head into its index.
  save('drained');
  await Promise.all([stack.startHost(), stack.startEnclave()]);
  await stack.serving();
  await sign(10);
  await sign(10);
  await Promise.all([stack.killHost(), stack.killEnclave()]);
  save('killed');
  await Promise.all([stack.startHost(), stack.startEnclave()]);
}, 120_000);

afterAll(async () => {
  reader.close();
  await Promise.all([stack.close(), other.close()]);
});

describe('halted by name', () => {
  it.each<[string, string, string, () => void]>([
    ['nothing', 'drained', 'SERVING', () => undefined],
    ['nothing', 'killed', 'SERVING', () => undefined],
    [
      'the folder deleted',
      'drained',
      'ROLLBACK_DETECTED',
      () => {
        rmSync(stack.logFolder, { recursive: true });
      },
    ],
    [
      'an older copy of the folder',
      'drained',
      'ROLLBACK_DETECTED',
      () => {
        rmSync(stack.logFolder, { recursive: true });
        cpSync(join(saved('older'), 'log'), stack.logFolder, { recursive: true });
      },
    ],
    [
      'the folder of another cluster',
      'drained',
      'LOG_DAMAGED',
      () => {
        rmSync(stack.logFolder, { recursive: true });
        cpSync(other.logFolder, stack.logFolder, { recursive: true });
      },
    ],
    [
      'the tiles of another cluster',
      'drained',
      'LOG_DAMAGED',
      () => {
        cpSync(inLog('tile/entries/000'), inLog('tile/0/000'));
      },
    ],
    [
      'a tile deleted',
      'drained',
      'LOG_DAMAGED',
      () => {
        rmSync(inLog('tile/0/001'));
      },
    ],
    [
      'a tile cut',
      'drained',
      'LOG_DAMAGED',
      () => {
        writeFileSync(inLog('tile/0/001'), readFileSync(inLog('tile/0/001')).subarray(32));
      },
    ],
    [
      'the journal deleted',
      'drained',
      'LOG_DAMAGED',
      () => {
        rmSync(journal());
      },
    ],
    [
      'the journal cut',
      'drained',
      'LOG_DAMAGED',
      () => {
        cutJournal();
      },
    ],
    [
      'the journal cut, and the checkpoint deleted',
      'drained',
      'ROLLBACK_DETECTED',
      () => {
        cutJournal();
        rmSync(inLog('checkpoint'));
      },
    ],
    [
      'a byte of the journal edited',
      'drained',
      'LOG_DAMAGED',
      () => {
        const bytes = readFileSync(journal());
        bytes[200] = (bytes[200] ?? 0) ^ 1;
        writeFileSync(journal(), bytes);
      },
    ],
    [
      'a batch deleted from the journal',
      'drained',
      'LOG_DAMAGED',
      () => {
        rewrite(([a, , ...rest]) => (a === undefined ? [] : [a, ...rest]));
      },
    ],
    [
      'two batches reordered',
      'drained',
      'LOG_DAMAGED',
      () => {
        rewrite((batches) => [...batches.slice(0, -2), ...batches.slice(-2).reverse()]);
      },
    ],
    [
      'the sealed edge edited',
      'drained',
      'LOG_DAMAGED',
      () => {
        rewrite((batches) =>
          batches.map((batch) => ({
            ...batch,
            sealedEdge: Buffer.from(batch.sealedEdge).fill(0, 40, 41),
          })),
        );
      },
    ],
    [
      'a leaf edited by somebody who knows the format',
      'killed',
      'LOG_DAMAGED',
      () => {
        changeLastLeaves((leaves) =>
          leaves.map((leaf) =>
            Buffer.from(Buffer.from(leaf).toString().replace('"signer"', '"singer"')),
          ),
        );
      },
    ],
    [
      'leaves reordered by such a one',
      'killed',
      'LOG_DAMAGED',
      () => {
        changeLastLeaves((leaves) => leaves.reverse());
      },
    ],
    [
      'a leaf deleted by such a one',
      'killed',
      'LOG_DAMAGED',
      () => {
        changeLastLeaves((leaves) => leaves.slice(1));
      },
    ],
  ])('%s (%s): %s', async (_name, state, expected, change) => {
    await startOver(state, change);
    if (expected === 'SERVING') {
      await stack.serving();
      await sign(1);
      answers.pop();
    } else {
      expect(await stack.halted()).toBe(expected);
      const client = stack.client();
      await expect(client.getKey(RING)).rejects.toMatchObject({ reason: 'ENCLAVE_HALTED' });
      client.close();
    }
  });
});

describe('healed', () => {
  it('a tile deleted of which the journal still has the leaves', async () => {
    const last = (): string => readdirSync(inLog('tile/0')).sort().at(-1) ?? '';
    await startOver('drained', () => {
      rmSync(inLog(`tile/0/${last()}`));
    });
    await stack.serving();
    await sign(1);
    answers.pop();
    expect(readdirSync(inLog('tile/0'))).toEqual(readdirSync(join(saved('drained'), 'log/tile/0')));
    expect(stack.host.events('log.damaged')).toEqual([]);
  });
});

describe('served on, and read by name', () => {
  const refused = async (promise: Promise<unknown>): Promise<string> =>
    promise.then(
      () => 'ok',
      (error: unknown) => (error instanceof ReadRefused ? error.reason : String(error)),
    );

  it.each<[string, string, string, (path: string) => void]>([
    [
      'a bundle deleted',
      'tile/entries/000',
      'missing',
      (path) => {
        rmSync(path);
      },
    ],
    [
      'a bundle cut',
      'tile/entries/000',
      'malformed',
      (path) => {
        writeFileSync(path, readFileSync(path).subarray(0, 1000));
      },
    ],
    [
      'a leaf edited',
      'tile/entries/000',
      'wrong-hash',
      (path) => {
        writeFileSync(
          path,
          readFileSync(path).toString('latin1').replace('"signer"', '"singer"'),
          'latin1',
        );
      },
    ],
  ])('%s', async (_name, path, what, change) => {
    await startOver('drained', () => {
      change(inLog(path));
    });
    await stack.serving();
    await sign(1);
    answers.pop();
    expect(await refused(reader.entries(5, 1))).toBe('LOG_DAMAGED');
    expect(await refused(reader.inclusion(5, 0))).toBe('LOG_DAMAGED');
    expect((await reader.fetch(`/${path}`)).status).toBe(500);
    expect(stack.host.events('log.damaged')).toMatchObject([{ level: 'error', where: path, what }]);
    expect(await refused(reader.entries(600, 1))).toBe('ok');
    expect(await refused(reader.inclusion(600, 0))).toBe('ok');
    // A copy that is put back heals without a restart.
    cpSync(join(saved('drained'), 'log', path), inLog(path));
    expect(await refused(reader.inclusion(5, 0))).toBe('ok');
  });

  it('a tile deleted under the running host', async () => {
    await startOver('drained', () => undefined);
    await stack.serving();
    rmSync(inLog('tile/0/000'));
    expect(await refused(reader.inclusion(5, 0))).toBe('LOG_DAMAGED');
    expect((await reader.fetch('/tile/0/000')).status).toBe(500);
    expect(await refused(reader.entries(5, 1))).toBe('LOG_DAMAGED');
    await sign(1);
    answers.pop();
  });
});

describe('what no boot can see', () => {
  it('whole batches cut behind the index, and the checkpoint with them: whoever has a receipt sees it', async () => {
    await startOver('killed', () => {
      rewrite((batches) => batches.slice(0, -1));
      rmSync(inLog('checkpoint'));
    });
    await stack.serving();
    await sign(1);
    answers.pop();
    const replica = new LogReplica(log);
    await replica.follow(reader);
    const last = answers.at(-1);
    if (last === undefined) throw new Error('no answer');
    await expect(replica.requireLogged(last, reader)).rejects.toThrow(/missing|fork/);
  });
});
