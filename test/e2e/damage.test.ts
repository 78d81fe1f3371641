/**
 * Damage of a state folder and of what is measured: each ends in a halt by name that tells the way out, or in what
 * docs/OPERATIONS.md, "Damage", says; never in a crash loop or a silent new start.
 *
 * CI: one file of each kind. `npm run campaign -- damage --minutes N --seed S`: every file, and after that flips of random bits.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { HALT_REASONS } from '../../enclave/wire/error-code.ts';
import { wayOutOf } from '../../src/cli/way-out.ts';
import { campaignMinutes, campaignPatienceMs, campaignSeed } from '../support/campaign.ts';
import { FILE_KINDS, HARMLESS, VITAL, type FileKind } from '../support/damage-table.ts';
import {
  copyFolder,
  DAMAGES,
  filesBelow,
  harm,
  startOver,
  type Damage,
  type Harm,
  type Start,
} from '../support/damage.ts';
import { SMALL_POLICY } from '../support/kills.ts';
import { seededRandom, shuffled } from '../support/random.ts';
import {
  processesOf,
  runSealwright,
  startStack,
  until,
  type Finished,
  type Stack,
} from '../support/stack.ts';

const REPOSITORY = fileURLToPath(new URL('../..', import.meta.url));
const OPERATIONS = readFileSync(join(REPOSITORY, 'docs/OPERATIONS.md'), 'utf8');
const base = mkdtempSync(join(tmpdir(), 'sw-damage-'));
const policy = join(base, 'policy.json');
/** Ended well; ended by kill -9; of another cluster. */
const sound = join(base, 'sound');
const killed = join(base, 'killed');
const foreign = join(base, 'foreign');
const foreignKilled = join(base, 'foreign-killed');
/** Of a running stack. */
let running: readonly string[] = [];
let copies = 0;

/** Of one batch; two of them fill a tile. */
const LEAVES = 200;

async function signSome(stack: Stack): Promise<void> {
  const client = stack.client();
  const payload = { $case: 'message', value: { message: Buffer.from('x') } } as const;
  const items = Array.from({ length: LEAVES }, () => ({ ring: 'enclave-ecdsa', payload }));
  for (let batch = 0; batch < 2; batch += 1) await client.signBatch(items);
  client.close();
  await until(() => filesBelow(join(stack.state, 'log')).some((file) => file.startsWith('tile/')));
}

async function killAll(stack: Stack): Promise<void> {
  // First, because its drain would empty the store's write-ahead log.
  process.kill(stack.pid('host'), 'SIGKILL');
  await stack.killSupervisor();
  await until(() => processesOf(stack.state).length === 0, 60_000);
}

/** A new cluster, and what is left of it after either end. The files that it had while it ran. */
async function makeCluster(afterKill: string, afterStop: string): Promise<readonly string[]> {
  const stack = await startStack({ state: afterKill, args: ['--policy', policy] });
  await signSome(stack);
  const files = filesBelow(afterKill);
  await killAll(stack);
  // The private copy of the enclave is large, and made at each start.
  rmSync(join(afterKill, 'platform/enclave'), { recursive: true });
  copyFolder(afterKill, afterStop);
  expect((await startOver(afterStop)).outcome).toBe('serves');
  rmSync(join(afterStop, 'platform/enclave'), { recursive: true });
  return files;
}

beforeAll(async () => {
  writeFileSync(policy, JSON.stringify(SMALL_POLICY));
  await makeCluster(foreignKilled, foreign);
  running = await makeCluster(killed, sound);
});

afterAll(() => {
  rmSync(base, { recursive: true, force: true });
});

/** A copy of a state folder, damaged. */
function damaged(damage: (state: string) => void, from = sound): string {
  copies += 1;
  const state = join(base, `copy-${String(copies)}`);
  copyFolder(from, state);
  damage(state);
  return state;
}

/** The file of the same kind in the other cluster: names of tokens and their objects are random. */
function counterpart(file: string, from: string): string | undefined {
  const other = from === killed ? foreignKilled : foreign;
  const same = join(other, file);
  if (existsSync(same)) return same;
  const kind = FILE_KINDS.find(({ pattern }) => pattern.test(file));
  const found = filesBelow(other).find((name) => kind?.pattern.test(name) === true);
  return found === undefined ? undefined : join(other, found);
}

async function startDamaged(harms: readonly Harm[], from: string): Promise<Start> {
  const state = damaged((copy) => {
    for (const one of harms) harm(copy, one, counterpart(one.file, from));
  }, from);
  const start = await startOver(state);
  rmSync(state, { recursive: true });
  return start;
}

/** What holds whatever was damaged. */
function expectHonest(start: Start, what: string): void {
  expect(start.isNewCluster, `${what}: ${start.text}`).toBe(false);
  // The host may be started again for a second try, and nothing for ever.
  expect(start.unexpectedEnds, `${what}: ${start.text}`).toBeLessThan(3);
  if (start.outcome === 'serves') expect(start.clusterId, what).toBe(clusterId());
  else expect(start.hasWayOut, `${what}: ${start.text}`).toBe(true);
}

function clusterId(): string {
  const marker = readFileSync(join(sound, 'sealwright-state.json'), 'utf8');
  return (JSON.parse(marker) as { clusterId: string }).clusterId;
}

const folderOf = (kind: FileKind): string => (kind.afterKill === true ? killed : sound);

async function expectOutcome(
  kind: FileKind,
  file: string,
  damage: Damage,
  at?: number,
): Promise<string> {
  const one: Harm = at === undefined ? { file, damage } : { file, damage, at };
  const what = `${file} ${damage}${at === undefined ? '' : ` at ${String(at)}`}`;
  const start = await startDamaged([one], folderOf(kind));
  expectHonest(start, what);
  expect(kind.outcomes[damage], `${what}: ${start.text}`).toContain(start.outcome);
  return start.outcome;
}

describe('the table of damage', () => {
  test('has every file that a state folder ever holds, once', () => {
    const files = [...new Set([...running, ...filesBelow(killed), ...filesBelow(sound)])];
    const kindsOf = (file: string): string[] =>
      FILE_KINDS.filter(({ pattern }) => pattern.test(file)).map(({ name }) => name);
    expect(files.filter((file) => kindsOf(file).length !== 1)).toEqual([]);
    // And what the table has is there: tiles, a write-ahead log, a connection file.
    const names = new Set(files.flatMap(kindsOf));
    expect(FILE_KINDS.filter(({ name }) => !names.has(name)).map(({ name }) => name)).toEqual([]);
  });

  test('stands in the documentation, with a way out for each halt', () => {
    const section = /^## Damage\n(.*?)^## /ms.exec(OPERATIONS)?.[1] ?? '';
    expect(FILE_KINDS.filter(({ name }) => !section.includes(`\`${name}\``))).toEqual([]);
    for (const reason of HALT_REASONS) {
      expect(OPERATIONS).toMatch(new RegExp(`^\\| \`${reason}\` \\| .+ \\| .+ \\|$`, 'm'));
      expect(wayOutOf(reason)).toMatch(/\w{3}/);
    }
  });
});

describe.skipIf(campaignMinutes > 0)('a state folder', () => {
  test.each(DAMAGES)('whose harmless files are all %s serves', async (damage) => {
    const harms = filesBelow(killed)
      .filter((file) => HARMLESS.some(({ pattern }) => pattern.test(file)))
      .map((file) => ({ file, damage }));
    const start = await startDamaged(harms, killed);
    expect(start.outcome, start.text).toBe('serves');
    expectHonest(start, damage);
  });

  test.each(VITAL)('whose $name is damaged', async (kind) => {
    const file = filesBelow(folderOf(kind)).find((name) => kind.pattern.test(name)) ?? '';
    await Promise.all(DAMAGES.map((damage) => expectOutcome(kind, file, damage)));
  });

  test.each<[string, string, (state: string) => void]>([
    [
      'with a cut store',
      'STORE_UNAVAILABLE',
      (s) => {
        truncateSync(join(s, 'store.sqlite'), 9000);
      },
    ],
    [
      'without its token',
      'TOKEN_MISSING',
      (s) => {
        rmSync(join(s, 'token'), { recursive: true });
      },
    ],
    [
      'without its log',
      'ROLLBACK_DETECTED',
      (s) => {
        rmSync(join(s, 'log'), { recursive: true });
      },
    ],
    [
      'without its platform',
      'PLATFORM_CHANGED',
      (s) => {
        rmSync(join(s, 'platform'), { recursive: true });
      },
    ],
  ])('%s halts with %s', async (what, reason, damage) => {
    const start = await startOver(damaged(damage));
    expect(start.outcome, start.text).toBe(reason);
    expectHonest(start, what);
  });

  test('without its certificates gets new ones and serves', async () => {
    const state = damaged((s) => {
      rmSync(join(s, 'pki'), { recursive: true });
    });
    expect((await startOver(state)).outcome).toBe('serves');
  });

  test('is wiped by --destroy, and by nothing else', async () => {
    const state = damaged((s) => {
      rmSync(join(s, 'store.sqlite'));
    });
    const args = ['dev', '--state', state, '--policy', policy, '--destroy', '--', 'echo', 'ran'];
    const ended = await runSealwright(args);
    expect([ended.status, ended.stdout]).toEqual([0, 'ran\n']);
  });

  test('that halts stays halted, and status says the way out', async () => {
    const state = damaged((s) => {
      rmSync(join(s, 'store.sqlite'));
    });
    const stack = await startStack({ state });
    try {
      expect(stack.ready.phase).toBe('halted');
      await sleep(2_000);
      const { stdout, status } = await stack.run(['status']);
      expect([status, stdout]).toEqual([0, expect.stringContaining('STATE_MISSING')]);
      expect(stdout).toContain(wayOutOf('STATE_MISSING'));
      expect(stack.events.filter(({ event }) => event === 'process.ended')).toEqual([]);
    } finally {
      await stack.stop();
    }
  });
});

test.runIf(campaignMinutes > 0)(
  'every file, each damage, then random bits: a named halt or an honest service',
  async () => {
    const next = seededRandom(campaignSeed);
    const end = Date.now() + campaignMinutes * 60_000;
    const pick = <T>(items: readonly T[]): T | undefined =>
      items[Math.floor(next() * items.length)];
    const counts = new Map<string, number>();
    const note = (outcome: string): void => {
      counts.set(outcome, (counts.get(outcome) ?? 0) + 1);
    };
    const files = FILE_KINDS.flatMap((kind) =>
      filesBelow(folderOf(kind))
        .filter((file) => kind.pattern.test(file) && statSync(join(folderOf(kind), file)).isFile())
        .map((file) => ({ kind, file })),
    );
    const sweep = shuffled(
      files.flatMap((one) => DAMAGES.map((damage) => ({ ...one, damage }))),
      next,
    );
    const swept = sweep.length;
    while (Date.now() < end) {
      const planned = sweep.shift();
      const one = planned ?? pick(files);
      if (one === undefined) break;
      const { size } = statSync(join(folderOf(one.kind), one.file));
      const at = planned === undefined ? Math.floor(next() * Math.max(1, size)) : undefined;
      note(await expectOutcome(one.kind, one.file, planned?.damage ?? 'flipped', at));
    }
    const total = [...counts.values()].reduce((sum, count) => sum + count, 0);
    process.stdout.write(
      `damage: seed ${String(campaignSeed)}, ${String(total)} starts, ${String(swept - sweep.length)} of ` +
        `${String(swept)} damages of the sweep: ${JSON.stringify(Object.fromEntries(counts))}\n`,
    );
    expect(total).toBeGreaterThan(0);
  },
  campaignPatienceMs,
);

describe.skipIf(campaignMinutes > 0)('the measured code', () => {
  /** A clone of this repository as far as it is run, with its own bundles. */
  function clone(): string {
    const folder = join(base, 'clone');
    mkdirSync(folder);
    for (const part of ['bin', 'src', 'enclave', 'build/enclave', 'package.json', 'scripts']) {
      cpSync(join(REPOSITORY, part), join(folder, part), { recursive: true });
    }
    symlinkSync(join(REPOSITORY, 'node_modules'), join(folder, 'node_modules'));
    return folder;
  }

  async function devFrom(folder: string, state: string): Promise<Finished> {
    const node = join(folder, 'node_modules', `node-linux-${process.arch}`, 'bin/node');
    const args = ['bin/sealwright.mjs', 'dev', '--state', state, '--', 'echo', 'ran'];
    const child = spawn(node, ['--disable-warning=ExperimentalWarning', ...args], { cwd: folder });
    const [stdout, stderr, [code]] = await Promise.all([
      text(child.stdout),
      text(child.stderr),
      once(child, 'exit') as Promise<[number | null]>,
    ]);
    return { status: code ?? -1, stdout, stderr };
  }

  test('opens the state from another folder, and not with one byte changed: MR0 is named', async () => {
    const folder = clone();
    const state = damaged(() => undefined);
    const moved = await devFrom(folder, state);
    expect([moved.status, moved.stdout], moved.stderr).toEqual([0, 'ran\n']);
    const bundle = join(folder, 'build/enclave/hsm-worker.cjs');
    writeFileSync(bundle, `${readFileSync(bundle, 'utf8')} `);
    const changed = await devFrom(folder, state);
    expect(changed.stderr).toContain('MEASUREMENT_CHANGED');
    expect(changed.status, changed.stderr).toBe(70);
    // The program of the command never ran, and no new cluster was born.
    expect(changed.stdout).toBe('');
    expect(changed.stderr).not.toContain('genesis   cluster');
    expect(changed.stderr).toContain('MR0');
    expect(changed.stderr).toContain('--destroy');
  });
});
