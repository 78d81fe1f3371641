import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  ADMINS,
  NONCE,
  NOW,
  REGISTERS,
  makeEvidence,
  makePolicy,
  pem,
  testPlatform,
} from '../support/evidence-maker.ts';
import {
  runSealwright,
  startStack,
  temporaryFolder,
  type Finished,
  type Stack,
} from '../support/stack.ts';

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
const lastLine = ({ stdout }: Pick<Finished, 'stdout'>): string | undefined =>
  stdout.trimEnd().split('\n').at(-1);

describe('files', () => {
  const { path: folder, remove } = temporaryFolder();
  afterAll(remove);
  const file = (name: string, content: string): string => {
    const path = join(folder, name);
    writeFileSync(path, content);
    return path;
  };
  const good = makeEvidence().text;
  const bundle = file('good.evidence.json', good);
  const reference = file('reference.json', JSON.stringify(makePolicy()));
  const strict = file('strict.json', JSON.stringify(makePolicy({ simulated: { rule: 'refuse' } })));
  const [nonce, time] = [hex(NONCE), new Date(NOW).toISOString()];
  const asked = ['--reference', reference, '--nonce', nonce, '--time', time];
  const verify = (...args: readonly string[]): Promise<Finished> =>
    runSealwright(['verify-evidence', ...args]);

  test('good simulated evidence: every check a line, exit 1', async () => {
    const run = await verify(bundle, ...asked);

    expect(lastLine(run)).toBe('WARNING: SIMULATED, protects nothing');
    expect(run.status).toBe(1);
    const lines = run.stdout.trimEnd().split('\n').slice(0, -1);
    for (const line of lines) expect(line).toMatch(/^(ok|warn|FAIL|not checked) +[\w-]+: \S/);
    expect(run.stdout).toMatch(/^not checked {2}anchor: no anchor in this version$/m);
  });

  test('as JSON', async () => {
    const { status, stdout } = await verify(bundle, ...asked, '--json');
    const result = JSON.parse(stdout) as { verdict: string; format: string; checks: object[] };

    expect([status, result.verdict, result.format]).toEqual([
      1,
      'warning',
      'sealwright-simulated-quote/v1',
    ]);
    for (const check of result.checks) {
      expect(Object.keys(check)).toEqual(['id', 'expected', 'found', 'verdict', 'reason']);
    }
  });

  test('from stdin', async () => {
    expect((await runSealwright(['verify-evidence', '-', ...asked], { input: good })).status).toBe(
      1,
    );
  });

  test('at the moment of issue, without a nonce', async () => {
    const run = await verify(
      bundle,
      '--reference',
      reference,
      '--no-nonce',
      'an archive',
      '--time',
      'at-issue',
    );

    expect(run.status).toBe(1);
    expect(run.stdout).toContain('not checked  nonce: an archive');
  });

  test.each<[string, string, readonly string[]]>([
    [
      'another nonce',
      'nonce',
      ['--reference', reference, '--nonce', '00'.repeat(32), '--time', time],
    ],
    [
      'years later',
      'not-after',
      ['--reference', reference, '--nonce', nonce, '--time', '2036-01-01T00:00:00Z'],
    ],
    ['simulated refused', 'simulated', ['--reference', strict, '--nonce', nonce, '--time', time]],
    ['the wrong kind', 'kind', [...asked, '--kind', 'setup']],
  ])('%s: exit 2, with expected and found', async (_, id, args) => {
    const run = await verify(bundle, ...args);

    expect(run.stdout).toMatch(new RegExp(`^FAIL +${id}: .+; expected .+; found .+$`, 'm'));
    expect([run.status, lastLine(run)]).toEqual([2, 'FAILED']);
  });

  test('a simulated platform that the file refuses is accepted with a reason', async () => {
    const args = ['--reference', strict, '--nonce', nonce, '--time', time];
    const run = await verify(bundle, ...args, '--accept-simulated', 'a test');

    expect(run.status).toBe(1);
    expect(run.stdout).toContain('a test');
  });

  test('a false signature: exit 2', async () => {
    const forged = file(
      'forged.json',
      makeEvidence({ tamperedClaims: { hpkeKey: '00'.repeat(32) } }).text,
    );

    expect((await verify(forged, ...asked)).status).toBe(2);
  });

  test.each<[string, string]>([
    ['empty', ''],
    ['half', good.slice(0, 1000)],
    ['other', JSON.stringify(makePolicy())],
  ])('no evidence (%s): exit 3', async (name, content) => {
    const path = file(`${name}.txt`, content);
    const run = await verify(path, ...asked);
    const json = await verify(path, ...asked, '--json');

    expect([run.status, lastLine(run), json.status]).toEqual([3, 'FAILED', 3]);
    expect(run.stderr).toContain('not decodable');
    expect(JSON.parse(json.stdout)).toMatchObject({ verdict: 'none', checks: [] });
    expect((await runSealwright(['inspect', path])).status).toBe(3);
  });

  const missing = join(folder, 'missing');
  const RELEASE = 'enclave/releases/sealwright-0.1.0.json';
  const noPolicy = file(
    'bad.json',
    JSON.stringify(makePolicy({ debug: { rule: 'allow' }, extra: 1 })),
  );
  test.each<[string, readonly string[]]>([
    ['no arguments', []],
    ['a missing file', [missing, ...asked]],
    ['no nonce', [bundle, '--reference', reference]],
    ['both nonces', [bundle, ...asked, '--no-nonce', 'why']],
    ['an empty reason', [bundle, '--reference', reference, '--no-nonce', ' ']],
    ['a short nonce', [bundle, '--reference', reference, '--nonce', '00']],
    ['no hex', [bundle, '--reference', reference, '--nonce', 'zz'.repeat(16)]],
    ['no reference', [bundle, '--nonce', nonce]],
    ['a missing reference', [bundle, '--reference', missing, '--nonce', nonce]],
    ['a policy that is none', [bundle, '--reference', noPolicy, '--nonce', nonce]],
    [
      'a time that is none',
      [bundle, '--reference', reference, '--nonce', nonce, '--time', 'yesterday'],
    ],
    ['file and service', [bundle, ...asked, '--from', '127.0.0.1:1']],
  ])('%s: exit 64', async (_, args) => {
    expect((await verify(...args)).status).toBe(64);
  });

  test('all problems of a policy are told', async () => {
    const { stderr } = await verify(bundle, '--reference', noPolicy, '--nonce', nonce);

    expect(stderr).toContain('/debug/rule');
    expect(stderr).toContain('/extra');
  });

  test('the script is the same command', () => {
    const script = fileURLToPath(new URL('../../scripts/verify-attestation', import.meta.url));
    const { status, stdout } = spawnSync(script, [bundle, ...asked], {
      encoding: 'utf8',
      cwd: folder,
    });

    expect([status, lastLine({ stdout })]).toEqual([1, 'WARNING: SIMULATED, protects nothing']);
  });

  test('inspect shows what it says', async () => {
    const { status, stdout } = await runSealwright(['inspect', bundle]);
    const json = JSON.parse((await runSealwright(['inspect', bundle, '--json'])).stdout) as object;

    expect(status).toBe(0);
    expect(stdout).toContain(hex(REGISTERS[0]));
    expect(lastLine({ stdout })).toBe('nothing of this was verified');
    expect(json).toMatchObject({ verified: false, platform: { MR0: hex(REGISTERS[0]) } });
  });

  test('values of a release are a policy that verifies', async () => {
    const MR0 = { production: 'ab'.repeat(48), simulated: hex(REGISTERS[0]) };
    const release = file(
      'release.json',
      JSON.stringify({ v: 1, kind: 'release', name: 'release 1', svn: 1, MR0 }),
    );
    const out = join(folder, 'from-release.json');
    const root = file('root.pem', pem(testPlatform().root));
    const write = (...args: readonly string[]): Promise<Finished> =>
      runSealwright(['reference-values', '--from', release, ...args, '--out', out]);
    const judge = (): Promise<Finished> =>
      verify(bundle, '--reference', out, '--nonce', nonce, '--time', time);
    const simulated = ['--anchor', root, '--accept-simulated', 'a test'];

    expect((await write(...simulated)).status).toBe(0);
    const partly = await judge();
    expect(partly.status).toBe(1);
    expect(partly.stdout).toContain('skipped: MR1, MR2, cluster');

    const all = [
      '--cluster',
      hex(makeEvidence().clusterId),
      '--mr1',
      hex(REGISTERS[1]),
      '--mr2',
      hex(REGISTERS[2]),
    ];
    expect((await write(...simulated, ...all)).status).toBe(0);
    expect((await judge()).stdout).toContain('ok           completeness');

    // By those who began it instead: two of these three did.
    const admins = file(
      'admins.pub',
      Object.entries(ADMINS)
        .map(([name, { line }]) => `${line} ${name}@laptop\n`)
        .join('# and\n\n'),
    );
    const pinned = (threshold: number): string[] => [
      ...['--admins', admins, '--threshold', String(threshold)],
      ...all.slice(2),
    ];
    expect((await write(...simulated, ...pinned(2))).status).toBe(0);
    expect((await judge()).stdout).toContain('ok           cluster: by 2 of them');
    expect((await write(...simulated, ...pinned(3))).status).toBe(0);
    expect((await judge()).stdout).toContain('FAIL         cluster:');

    expect((await write('--anchor', root, ...all)).status).toBe(0);
    expect((await judge()).status).toBe(2);

    // Vendor roots, and nothing else.
    expect((await write()).status).toBe(0);
    expect((await judge()).status).toBe(2);
  });

  test.each<[string, readonly string[]]>([
    ['neither way', []],
    ['both ways', ['--from', bundle, '--trust-on-first-use', 'why']],
    ['no release', ['--from', bundle]],
    ['a missing release', ['--from', missing]],
    ['admins and no threshold', ['--from', RELEASE, '--admins', 'package.json']],
    ['a threshold and no admins', ['--from', RELEASE, '--threshold', '1']],
    ['admins that are none', ['--from', RELEASE, '--admins', 'package.json', '--threshold', '1']],
    ['admins at first use', ['--trust-on-first-use', 'why', '--admins', 'package.json']],
  ])('reference-values with %s: exit 64', async (_, args) => {
    expect((await runSealwright(['reference-values', ...args])).status).toBe(64);
  });
});

describe('a running service', () => {
  let stack: Stack;
  beforeAll(async () => {
    stack = await startStack();
  });
  afterAll(() => stack.stop());

  const nonce = '00112233445566778899aabbccddeeff';
  const referencePath = (): string => join(stack.state, 'reference.json');

  test('dev writes a reference, and what it serves meets it', async () => {
    const { address } = stack.ready;
    const run = await stack.run([
      'verify-evidence',
      '--from',
      address,
      '--state',
      stack.state,
      '--reference',
      referencePath(),
    ]);

    expect([run.status, lastLine(run)]).toEqual([1, 'WARNING: SIMULATED, protects nothing']);
    expect(run.stdout).toMatch(/^ok +nonce: [0-9a-f]{64}$/m);
    expect(run.stdout).toContain(`ok           cluster: ${stack.ready.clusterId}`);
  });

  test('--from takes a state folder too, and no folder without a service', async () => {
    const from = (folder: string): Promise<Finished> =>
      runSealwright(['verify-evidence', '--from', folder, '--reference', referencePath()]);
    expect((await from(stack.state)).status).toBe(1);
    expect((await from(join(stack.state, 'log'))).status).toBe(69);
    expect((await from('/no/such/folder')).status).toBe(64);
  });

  test.each([[[]], [['--fresh']]])(
    'evidence that was fetched with %j answers its nonce and no other',
    async (more) => {
      const out = join(stack.state, 'test.evidence.json');
      expect((await stack.run(['evidence', '--nonce', nonce, ...more, '--out', out])).status).toBe(
        0,
      );
      const judge = (asked: string): Promise<Finished> =>
        runSealwright(['verify-evidence', out, '--reference', referencePath(), '--nonce', asked]);

      expect((await judge(nonce)).status).toBe(1);
      expect((await judge('ff'.repeat(16))).status).toBe(2);
    },
  );

  test('evidence of another cluster is refused', async () => {
    const other = JSON.parse(readFileSync(referencePath(), 'utf8')) as Record<string, unknown>;
    const path = join(stack.state, 'other.json');
    writeFileSync(
      path,
      JSON.stringify({ ...other, cluster: { rule: 'require', clusterId: '00'.repeat(32) } }),
    );
    const { address } = stack.ready;
    const run = await stack.run([
      'verify-evidence',
      '--from',
      address,
      '--state',
      stack.state,
      '--reference',
      path,
    ]);

    expect(run.status).toBe(2);
    expect(run.stdout).toMatch(/^FAIL +cluster: /m);
  });

  test('first use says so in the verdict', async () => {
    const out = join(stack.state, 'first.json');
    const why = 'a test of first use';
    expect(
      (await stack.run(['reference-values', '--trust-on-first-use', why, '--out', out])).status,
    ).toBe(0);
    const { address } = stack.ready;
    const run = await stack.run([
      'verify-evidence',
      '--from',
      address,
      '--state',
      stack.state,
      '--reference',
      out,
    ]);

    expect(run.status).toBe(1);
    expect(run.stdout).toMatch(/^warn +reference-source: .*a test of first use/m);
  });

  test('reference values are not read off a service under a foreign root', async () => {
    const root = join(stack.state, 'foreign.pem');
    writeFileSync(root, pem(testPlatform().root));
    const run = await stack.run([
      'reference-values',
      '--trust-on-first-use',
      'why',
      '--anchor',
      root,
    ]);

    expect(run.status).toBe(70);
  });

  test.each<[string, readonly string[]]>([
    ['no nonce', ['--out', '-']],
    ['fresh without a nonce', ['--no-nonce', 'why', '--fresh', '--out', '-']],
    ['no output', ['--nonce', nonce]],
  ])('evidence with %s: exit 64', async (_, args) => {
    expect((await stack.run(['evidence', ...args])).status).toBe(64);
  });
});
