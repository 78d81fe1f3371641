import { beforeAll, describe, expect, test } from 'vitest';
import { checkedEdge } from '../../enclave/core/cluster-log.ts';
import { SealedState } from '../../enclave/core/state.ts';
import type { StateIndex } from '../../enclave/core/state-index.ts';
import {
  Batch,
  EMPTY_EDGE,
  encodeEdge,
  leafHash,
  rootOf,
  type Edge,
} from '../../enclave/log/tree.ts';
import { utf8 } from '../../enclave/wire/bytes.ts';
import { Refusal, type HaltReason } from '../../enclave/wire/error-code.ts';
import type { SignResponse } from '../../enclave/wire/gen/sealwright/v1/signing.ts';
import { Phase } from '../../enclave/wire/gen/sealwright/v1/status.ts';
import type { LogCopy } from '../support/fakes/memory-log-store.ts';
import { World, type Running } from '../support/fakes/world.ts';
import { expectNoFork, expectProvable, headOf, knownLogOf } from '../support/log-audit.ts';
import '../support/matchers.ts';

const RINGS = { ed: { algorithm: 'EdDSA' } } as const;
const message = utf8('release 1.2.3');
/** Leaves behind the index's head. */
const BEHIND = 6;

/** A cluster whose log has grown since its index was written, as it lies on the host's disk. */
class Disk {
  readonly world: World;
  /** Leaves that the index names. */
  readonly indexed: number;
  readonly answers: readonly SignResponse[];
  readonly #store: ReadonlyMap<string, Uint8Array>;
  readonly copy: LogCopy;

  private constructor(world: World, indexed: number, answers: readonly SignResponse[]) {
    this.world = world;
    this.indexed = indexed;
    this.answers = answers;
    this.#store = world.store.snapshot();
    this.copy = world.logStore.snapshot();
  }

  static async make(seed: string): Promise<Disk> {
    const world = new World(`log boot ${seed}`);
    const running = await world.begin(RINGS);
    const indexed = world.logStore.leaves.length;
    const answers: SignResponse[] = [];
    for (let i = 0; i < BEHIND; i += 1) answers.push(await running.sign('ed', { message }));
    await running.enclave.close();
    return new Disk(world, indexed, answers);
  }

  get leaves(): readonly Uint8Array[] {
    return this.copy.leaves;
  }

  get size(): number {
    return this.leaves.length;
  }

  /** The edge that is sealed when the log goes on from here to this many leaves. */
  async edgeAt(size: number): Promise<Uint8Array> {
    const edges = new Map<number, Uint8Array>();
    const { logStore } = this.world;
    this.reset();
    const running = await this.world.boot();
    edges.set(logStore.leaves.length, logStore.sealedEdge);
    while (logStore.leaves.length < size) {
      await running.sign('ed', { message });
      edges.set(logStore.leaves.length, logStore.sealedEdge);
    }
    await running.enclave.close();
    const edge = edges.get(size);
    if (edge === undefined) throw new RangeError('no such edge');
    return edge;
  }

  reset(): void {
    const { store, logStore } = this.world;
    store.restore(this.#store);
    logStore.restore(this.copy);
    logStore.claim = {};
    logStore.onRead = (asked) => asked;
    logStore.checkpoints.length = 0;
    logStore.reads.length = 0;
  }

  /** Boots from the disk as `spoil` left it. */
  async boot(spoil: (disk: Disk) => void = () => undefined): Promise<Running> {
    this.reset();
    spoil(this);
    return this.world.boot();
  }

  /** It halts so, and then neither signs nor writes anything. */
  async expectHalt(reason: HaltReason, spoil: (disk: Disk) => void): Promise<void> {
    const { logStore, tokens } = this.world;
    const open = tokens.openTokens;
    const running = await this.boot(spoil);
    await expect(running).toHaltWith(reason);
    expect(logStore.checkpoints).toEqual([]);
    const { appends } = logStore;
    await expect(running.sign('ed', { message })).toRefuseWith('ENCLAVE_HALTED');
    await running.enclave.tick();
    expect(logStore.appends).toBe(appends);
    expect(tokens.openTokens).toBe(open);
  }

  set(leaves: readonly Uint8Array[]): void {
    this.world.logStore.leaves = [...leaves];
  }
}

const flip = (bytes: Uint8Array, at: number): Uint8Array =>
  bytes.map((byte, i) => (i === at ? byte ^ 1 : byte));

let disk: Disk;
beforeAll(async () => {
  disk = await Disk.make('disk');
});

/** Numbers of the leaves that a boot reads back. */
const positions = Array.from({ length: BEHIND }, (_, i) => i);

describe('a boot from the log as it was left', () => {
  test('goes on, and all receipts stay provable', async () => {
    const running = await disk.boot();
    expect((await running.status()).phase).toBe(Phase.PHASE_SERVING);
    expect(disk.world.logStore.reads).toEqual([BEHIND]);
    const answer = await running.sign('ed', { message });
    const log = await knownLogOf(running);
    await expectProvable([...disk.answers, answer], log, disk.world.logStore);
    expectNoFork(disk.world.logStore);
    await running.enclave.close();
  });

  test('reads nothing when the index has it all', async () => {
    const running = await disk.boot();
    const again = await disk.world.reboot(running);
    disk.world.logStore.reads.length = 0;
    const third = await disk.world.reboot(again);
    expect(disk.world.logStore.reads).toEqual([]);
    expect((await third.status()).phase).toBe(Phase.PHASE_SERVING);
  });

  test.each([1, 2, 4, BEHIND])('goes on when reads are at most %d leaves long', async (length) => {
    const running = await disk.boot(({ world }) => {
      world.logStore.onRead = (asked) => asked.slice(0, length);
    });
    expect((await running.status()).phase).toBe(Phase.PHASE_SERVING);
    expect(disk.world.logStore.reads).toHaveLength(Math.ceil(BEHIND / length));
    expectNoFork(disk.world.logStore);
  });

  test.each([Infinity, 1_000_000, 2 ** 53])('takes no notice of a size of %d', async (size) => {
    const running = await disk.boot(({ world }) => {
      world.logStore.claim = { size };
    });
    expect((await running.status()).phase).toBe(Phase.PHASE_SERVING);
  });
});

describe('a log whose leaves behind the index', () => {
  test.each(positions)('lack number %d halts', async (i) => {
    await disk.expectHalt('LOG_DAMAGED', ({ leaves, indexed }) => {
      disk.set(leaves.toSpliced(indexed + i, 1));
    });
    // With the size that it should have, too.
    await disk.expectHalt('LOG_DAMAGED', ({ leaves, indexed, size, world }) => {
      disk.set(leaves.toSpliced(indexed + i, 1));
      world.logStore.claim = { size };
    });
  });

  test.each(positions)('end before number %d halts', async (i) => {
    for (const honest of [true, false]) {
      await disk.expectHalt('LOG_DAMAGED', ({ leaves, indexed, size, world }) => {
        disk.set(leaves.slice(0, indexed + i));
        if (!honest) world.logStore.claim = { size };
      });
    }
  });

  test.each(positions.slice(1))('are in another order from number %d on halts', async (i) => {
    for (let j = 0; j < i; j += 1) {
      await disk.expectHalt('LOG_DAMAGED', ({ leaves, indexed }) => {
        const swapped = [...leaves];
        const [one, two] = [leaves[indexed + i], leaves[indexed + j]];
        if (one === undefined || two === undefined) throw new RangeError('no such leaves');
        swapped[indexed + j] = one;
        swapped[indexed + i] = two;
        disk.set(swapped);
      });
    }
  });

  test.each(positions)('were edited at number %d halts', async (i) => {
    const leaf = disk.leaves[disk.indexed + i] ?? message;
    const edits = [
      flip(leaf, 0),
      flip(leaf, leaf.byteLength - 1),
      leaf.slice(0, -1),
      Uint8Array.of(...leaf, 0),
      new Uint8Array(0),
      new Uint8Array(100_000),
      disk.leaves[0] ?? message,
    ];
    for (const edited of edits) {
      await disk.expectHalt('LOG_DAMAGED', ({ leaves, indexed }) => {
        disk.set(leaves.toSpliced(indexed + i, 1, edited));
      });
    }
  });

  test.each(positions)('have one more before number %d halts', async (i) => {
    for (const extra of [disk.leaves[disk.indexed + i] ?? message, utf8('{}')]) {
      await disk.expectHalt('LOG_DAMAGED', ({ leaves, indexed }) => {
        disk.set(leaves.toSpliced(indexed + i, 0, extra));
      });
    }
  });

  test('go on behind the sealed edge: the first append finds them', async () => {
    await disk.expectHalt('LOG_DAMAGED', ({ leaves }) => {
      disk.set([...leaves, utf8('{}')]);
    });
  });

  test('come more than were asked for halts', async () => {
    await disk.expectHalt('LOG_DAMAGED', ({ world }) => {
      world.logStore.onRead = (asked) => [...asked, utf8('{}')];
    });
    await disk.expectHalt('LOG_DAMAGED', ({ world, leaves, indexed }) => {
      world.logStore.onRead = () => leaves.slice(indexed - 1);
    });
  });

  test.each([0, 1, BEHIND - 1])('stop coming after %d halts', async (count) => {
    await disk.expectHalt('LOG_DAMAGED', ({ world, indexed }) => {
      world.logStore.onRead = (asked, first) =>
        asked.slice(0, Math.max(0, indexed + count - first));
    });
  });

  test('come one by one, always the same, halts after as many as there should be', async () => {
    await disk.expectHalt('LOG_DAMAGED', ({ world, leaves, indexed }) => {
      world.logStore.onRead = () => leaves.slice(indexed, indexed + 1);
    });
    expect(disk.world.logStore.reads).toHaveLength(BEHIND);
  });
});

describe('a log that is shorter than the index', () => {
  test.each([1, 2, 1000])('by %d leaves halts', async (by) => {
    await disk.expectHalt('ROLLBACK_DETECTED', ({ leaves, indexed }) => {
      disk.set(leaves.slice(0, Math.max(0, indexed - by)));
    });
  });

  test('by its own word halts', async () => {
    for (const size of [0, 1, disk.indexed - 1]) {
      await disk.expectHalt('ROLLBACK_DETECTED', ({ world }) => {
        world.logStore.claim = { size };
      });
    }
  });

  test('or not there, with or without its edge, halts', async () => {
    await disk.expectHalt('ROLLBACK_DETECTED', ({ world }) => {
      world.logStore.restore({ leaves: [], sealedEdge: new Uint8Array(0) });
    });
    await disk.expectHalt('ROLLBACK_DETECTED', ({ world }) => {
      world.logStore.sealedEdge = new Uint8Array(0);
    });
    await disk.expectHalt('ROLLBACK_DETECTED', ({ world }) => {
      world.logStore.leaves = [];
    });
  });
});

describe('a sealed edge', () => {
  test('with one bit changed, anywhere, halts', async () => {
    const { sealedEdge } = disk.copy;
    for (let at = 0; at < sealedEdge.byteLength; at += at < 64 ? 1 : 17) {
      await disk.expectHalt('LOG_DAMAGED', ({ world }) => {
        world.logStore.sealedEdge = flip(sealedEdge, at);
      });
    }
  });

  test('that is cut or longer halts', async () => {
    const { sealedEdge } = disk.copy;
    const others = [1, 2, 9, 41, 57, 58, sealedEdge.byteLength - 1].map((n) =>
      sealedEdge.slice(0, n),
    );
    for (const other of [...others, Uint8Array.of(...sealedEdge, 0), new Uint8Array(1 << 20)]) {
      await disk.expectHalt('LOG_DAMAGED', ({ world }) => {
        world.logStore.sealedEdge = other;
      });
    }
  });

  test('of another cluster halts', async () => {
    const foreign = await Disk.make('foreign');
    await disk.expectHalt('LOG_DAMAGED', ({ world }) => {
      world.logStore.sealedEdge = foreign.copy.sealedEdge;
    });
    await disk.expectHalt('LOG_DAMAGED', ({ world }) => {
      world.logStore.restore(foreign.copy);
    });
  });

  test.each(['index', 'policy.1', 'log-key.1', 'boot.1'])(
    'that is the record %s halts',
    async (record) => {
      await disk.expectHalt('LOG_DAMAGED', ({ world }) => {
        world.logStore.sealedEdge = world.store.peek(record);
      });
    },
  );

  test('of a log that went on from here halts while its leaves are missing', async () => {
    const newer = await disk.edgeAt(disk.size + 3);
    await disk.expectHalt('LOG_DAMAGED', ({ world }) => {
      world.logStore.sealedEdge = newer;
    });
  });

  test('older than the index halts', async () => {
    // The index of a later boot over the edge of this one.
    const running = await disk.boot();
    await running.enclave.close();
    const { world } = disk;
    expect(world.logStore.leaves).toHaveLength(disk.size + 1);
    world.logStore.sealedEdge = disk.copy.sealedEdge;
    await expect(await world.boot()).toHaltWith('ROLLBACK_DETECTED', {
      log: String(disk.size),
      index: String(disk.size + 1),
    });
    world.logStore.restore(disk.copy);
    await expect(await world.boot()).toHaltWith('ROLLBACK_DETECTED');
  });

  test('older than the leaves is found when the boot writes its own', async () => {
    const older = await disk.edgeAt(disk.size + 1);
    const running = await disk.boot();
    await running.sign('ed', { message });
    await running.enclave.close();
    const { world } = disk;
    const grown = world.logStore.snapshot();
    disk.reset();
    world.logStore.restore({ leaves: grown.leaves, sealedEdge: older });
    await expect(await world.boot()).toHaltWith('LOG_DAMAGED');
  });

  test('older than the last receipts, with a log cut to fit, is taken, and convicts the host', async () => {
    // The exposure that docs/spec/log.md names: what came after the index was written.
    const { world } = disk;
    disk.reset();
    const running = await world.boot();
    await running.enclave.close();
    const backup = { store: world.store.snapshot(), log: world.logStore.snapshot() };
    const first = await world.boot();
    const lost = await first.sign('ed', { message });
    await first.enclave.close();
    world.store.restore(backup.store);
    world.logStore.restore(backup.log);
    const second = await world.boot();
    const kept = await second.sign('ed', { message });
    const heads = [lost, kept].map(({ receipt }) => headOf(receipt?.checkpoint ?? ''));
    expect(heads[0]?.size).toBe(heads[1]?.size);
    expect(heads[0]?.root).not.toBe(heads[1]?.root);
    const log = await knownLogOf(second);
    await expect(expectProvable([lost], log, world.logStore)).rejects.toThrow();
    await expectProvable([kept], log, world.logStore);
  });
});

describe('a host whose log does not answer', () => {
  test.each([
    ['LOG_STORE_FAILED', 'LOG_STORE_FAILED'],
    ['LOG_STORE_CONFLICT', 'LOG_DAMAGED'],
    ['STORE_UNAVAILABLE', 'STORE_UNAVAILABLE'],
    ['DEADLINE_EXCEEDED', 'STORE_UNAVAILABLE'],
    ['INTERNAL', 'STORE_UNAVAILABLE'],
  ] as const)('but with %s halts as %s', async (refusal, reason) => {
    const { logStore } = disk.world;
    const [read, state] = [logStore.read.bind(logStore), logStore.state.bind(logStore)];
    try {
      logStore.read = () => Promise.reject(new Refusal(refusal));
      await disk.expectHalt(reason, () => undefined);
      logStore.read = read;
      logStore.state = () => Promise.reject(new Refusal(refusal));
      await disk.expectHalt(reason, () => undefined);
    } finally {
      logStore.read = read;
      logStore.state = state;
    }
  });

  test.each([
    ['LOG_STORE_FAILED', 'LOG_STORE_FAILED'],
    ['LOG_STORE_CONFLICT', 'LOG_DAMAGED'],
    ['STORE_UNAVAILABLE', 'STORE_UNAVAILABLE'],
  ] as const)('the boot’s own leaf but with %s halts as %s', async (refusal, reason) => {
    await disk.expectHalt(reason, ({ world }) => {
      world.logStore.failAppend(1, new Refusal(refusal));
    });
    const running = await disk.boot();
    expect((await running.status()).phase).toBe(Phase.PHASE_SERVING);
  });

  test('is waited for with the boot’s own leaf', async () => {
    disk.reset();
    const { world } = disk;
    const release = world.logStore.hold();
    const wait = world.logStore.beforeAppend;
    world.logStore.beforeAppend = (onStall) => {
      onStall();
      return wait(onStall);
    };
    const boot = world.boot();
    let booted = false;
    void boot.then(() => {
      booted = true;
    });
    for (let i = 0; i < 20; i += 1) await new Promise((resolve) => setImmediate(resolve));
    expect(booted).toBe(false);
    release();
    expect((await (await boot).status()).phase).toBe(Phase.PHASE_SERVING);
  });
});

describe('an index and an edge that can’t be of one log', () => {
  const clusterId = new Uint8Array(32).fill(1);
  const world = new World('crafted');
  const context = { ...world.ports, platform: world.platform.identity };
  const state = new SealedState(context, clusterId, new Uint8Array(32).fill(2));
  const leaves = Array.from({ length: 11 }, (_, i) => utf8(`leaf ${String(i)}`));
  const edgeOf = (count: number): Edge =>
    new Batch(EMPTY_EDGE, leaves.slice(0, count).map(leafHash)).edge;
  const indexOf = (edge: Edge, root = rootOf(edge)): StateIndex => ({
    clusterId,
    epoch: 1n,
    previous: new Uint8Array(32),
    instanceId: new Uint8Array(16),
    timeMarkMs: 0,
    policyVersion: 1,
    policyDigest: new Uint8Array(32),
    policyAppliedAtMs: 0,
    adminSequence: 0,
    adminDigest: new Uint8Array(32),
    svn: 1,
    logSize: edge.size,
    logRoot: root,
    logEdge: edge.hashes,
    records: [],
  });
  const sealed = (edge: Edge, version = BigInt(edge.size) + 1n): Uint8Array =>
    state.sealer('log-edge')(version, encodeEdge(edge));
  const check = (index: StateIndex, sealedEdge: Uint8Array) => {
    world.logStore.restore({ leaves, sealedEdge });
    return () => checkedEdge(world.ports, state, index);
  };

  test('do agree when they are', async () => {
    for (let indexed = 0; indexed <= 11; indexed += 1) {
      for (let size = indexed; size <= 11; size += 1) {
        const edge = await check(indexOf(edgeOf(indexed)), sealed(edgeOf(size)))();
        expect(edge).toEqual(edgeOf(size));
      }
    }
  });

  test('halt when the index’s root is not its edge’s', async () => {
    const index = indexOf(edgeOf(5), rootOf(edgeOf(6)));
    await expect(check(index, sealed(edgeOf(7)))).toHaltWith('STATE_DAMAGED', { record: 'index' });
  });

  test.each([
    ['too many', 5, [...edgeOf(5).hashes, leafHash(utf8('x'))]],
    ['too few', 5, [rootOf(edgeOf(5))]],
    ['none', 5, []],
    ['some for no leaf', 0, [leafHash(utf8('x'))]],
  ])('halt when the index’s edge has %s hashes', async (_, size, hashes) => {
    const edge = { size, hashes };
    await expect(check(indexOf(edge), sealed(edgeOf(7)))).toHaltWith('STATE_DAMAGED', {
      record: 'index',
    });
  });

  test('halt when the sealed edge has another root at the index’s size', async () => {
    const other = new Batch(EMPTY_EDGE, leaves.slice(1, 6).map(leafHash)).edge;
    await expect(check(indexOf(edgeOf(5)), sealed(other))).toHaltWith('LOG_DAMAGED');
  });

  test('halt when the log grew from another one', async () => {
    const other = new Batch(EMPTY_EDGE, leaves.slice(1, 6).map(leafHash)).edge;
    const grown = new Batch(other, leaves.slice(5, 8).map(leafHash)).edge;
    await expect(check(indexOf(edgeOf(5)), sealed(grown))).toHaltWith('LOG_DAMAGED');
  });

  test('halt when the edge’s version is not that of its size', async () => {
    for (const version of [0n, 1n, 7n, 9n, 2n ** 63n]) {
      await expect(check(indexOf(edgeOf(5)), sealed(edgeOf(7), version))).toHaltWith(
        'LOG_DAMAGED',
        {
          record: 'log-edge',
        },
      );
    }
  });
});
