import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { MAX_MESSAGE_BYTES } from '../../enclave/wire/limits.ts';
import { runSealwright, startStack, temporaryFolder } from '../support/stack.ts';
import type { Finished, Stack } from '../support/stack.ts';

const { path: folder, remove } = temporaryFolder();
const file = (name: string): string => join(folder, name);
let stack: Stack;
let reference: string;

const WARNING = 'WARNING: SIMULATED, protects nothing';

beforeAll(async () => {
  stack = await startStack();
  reference = join(stack.state, 'reference.json');
  writeFileSync(file('small'), 'a small file');
  writeFileSync(file('other'), 'another small file');
  writeFileSync(file('large'), Buffer.alloc(MAX_MESSAGE_BYTES + 1, 1));
  for (const [ring, input, receipt, ...more] of [
    ['es256-hsm', 'small', 'message.receipt'],
    ['es256-digest-hsm', 'large', 'digest.receipt'],
    ['es256-digest-hsm', 'small', 'small-digest.receipt'],
    ['eddsa-enclave', 'small', 'eddsa.receipt'],
  ] as const) {
    expect((await sign(ring, input, receipt, ...more)).status).toBe(0);
  }
  const out = ['--out', file('evidence')];
  expect((await stack.run(['evidence', '--no-nonce', 'a test', ...out])).status).toBe(0);
});
afterAll(async () => {
  await stack.stop();
  remove();
});

function sign(
  ring: string,
  input: string,
  receipt: string,
  ...more: readonly string[]
): Promise<Finished> {
  const files = ['--in', file(input), '--out', file('sig'), '--receipt', file(receipt)];
  return stack.run(['sign', '--ring', ring, ...files, ...more]);
}

/** No service is there, and no state folder. */
function offline(receipt: string, ...more: readonly string[]): Promise<Finished> {
  const files = ['--evidence', file('evidence'), '--reference', reference];
  return runSealwright(['verify-receipt', file(receipt), ...files, ...more], { cwd: folder });
}

const online = (receipt: string, ...more: readonly string[]): Promise<Finished> =>
  stack.run(['verify-receipt', file(receipt), ...more]);

const lastLine = ({ stdout }: Finished): string | undefined => stdout.trimEnd().split('\n').at(-1);

/** Writes a changed JSON receipt. */
function changed(name: string, changes: (receipt: Record<string, unknown>) => object): string {
  const receipt = JSON.parse(readFileSync(file('message.receipt'), 'utf8')) as Record<
    string,
    unknown
  >;
  const made = { ...receipt, ...changes(receipt) };
  const members = Object.entries(made).filter(([, value]) => value !== undefined);
  members.sort(([a], [b]) => (a < b ? -1 : 1));
  writeFileSync(file(name), JSON.stringify(Object.fromEntries(members)));
  return name;
}

describe('verify-receipt', () => {
  test('offline: every check a line, then what it proves, then the verdict', async () => {
    const run = await offline('message.receipt', '--in', file('small'));
    expect([run.status, run.stderr, lastLine(run)]).toEqual([1, '', WARNING]);
    const [checks = '', says = ''] = run.stdout.split('\n\n');
    for (const line of checks.split('\n')) {
      expect(line).toMatch(/^(ok|warn|not checked) +[\w-]+: \S/);
    }
    for (const id of [
      'cluster',
      'checkpoint-signature',
      'receipt-inclusion',
      'receipt-to-be-signed',
    ])
      expect(checks).toMatch(new RegExp(`^ok +${id}: `, 'm'));
    expect(says).toContain('The leaf is about exactly what was given as signed.');
    expect(says).toContain(
      'was about to sign for dev (spiffe://dev.sealwright.local/caller/dev), rank mtls',
    );
  });

  test.each([
    ['message.receipt', 'small'],
    ['digest.receipt', 'large'],
    ['small-digest.receipt', 'small'],
    ['eddsa.receipt', 'small'],
  ])('%s is about %s, offline and online', async (receipt, input) => {
    for (const verify of [offline, online]) {
      const run = await verify(receipt, '--in', file(input), '--json');
      expect([run.status, run.stderr]).toEqual([1, '']);
      const { verdict, says } = JSON.parse(run.stdout) as { verdict: string; says: string[] };
      expect(verdict).toBe('warning');
      const how = receipt.includes('digest') ? 'the digest of' : 'as a message';
      expect(says.join()).toContain(how);
    }
  });

  test('as JSON', async () => {
    const { status, stdout } = await offline('message.receipt', '--json');
    const result = JSON.parse(stdout) as Record<string, unknown> & { checks: object[] };
    expect(status).toBe(1);
    expect(result).toMatchObject({
      verdict: 'warning',
      simulated: true,
      clusterId: stack.ready.clusterId,
      leaf: { kind: 'signature', ring: 'es256-hsm', version: 1 },
    });
    for (const check of result.checks)
      expect(Object.keys(check)).toEqual(['id', 'expected', 'found', 'verdict', 'reason']);
  });

  test('online it is compared with the attested key, offline it is not', async () => {
    const by = async (run: Promise<Finished>): Promise<string | undefined> =>
      /^(.*?) +receipt-kid: /m.exec((await run).stdout)?.[1];
    expect(await by(online('message.receipt', '--in', file('small')))).toBe('ok');
    expect(await by(offline('message.receipt', '--in', file('small')))).toBe('not checked');
  });

  test('the service may be named by its state folder or its address', async () => {
    const away = { env: { SEALWRIGHT_STATE: '/nowhere' } };
    const from = (...args: readonly string[]): Promise<Finished> =>
      runSealwright(['verify-receipt', file('message.receipt'), ...args], away);
    const { address } = stack.ready;
    expect((await from('--from', stack.state)).status).toBe(1);
    expect((await from('--state', stack.state)).status).toBe(1);
    expect((await from('--from', address, '--state', stack.state)).status).toBe(1);
    expect((await from('--from', address)).status).toBe(64);
  });

  test('a tlog-proof has no salt: with it the message is compared', async () => {
    const made = await sign('es256-hsm', 'small', 'proof', '--format', 'tlog-proof');
    const salt = /[0-9a-f]{64}$/m.exec(made.stderr)?.[0] ?? '';
    expect(readFileSync(file('proof'), 'utf8')).toMatch(/^c2sp\.org\/tlog-proof@v1\n/);
    expect((await offline('proof')).status).toBe(1);
    const input = ['--in', file('small')];
    expect((await offline('proof', ...input, '--salt', salt)).status).toBe(1);
    expect((await offline('proof', ...input)).status).toBe(2);
    expect((await offline('proof', ...input, '--salt', '00'.repeat(32))).status).toBe(2);
    expect((await offline('proof', '--format', 'json')).status).toBe(3);
    expect((await offline('message.receipt', '--format', 'tlog-proof')).status).toBe(3);
  });

  test.each<[string, string, readonly string[]]>([
    ['message.receipt', 'other', ['receipt-to-be-signed']],
    ['message.receipt', 'large', ['receipt-to-be-signed']],
    ['digest.receipt', 'small', ['receipt-to-be-signed']],
  ])('%s is not about %s: exit 2', async (receipt, input, ids) => {
    for (const verify of [offline, online]) {
      const run = await verify(receipt, '--in', file(input));
      const failed = [...run.stdout.matchAll(/^FAIL +([\w-]+): .+; expected .+; found .+$/gm)];
      expect(failed.map(([, id]) => id)).toEqual(ids);
      expect([run.status, lastLine(run)]).toEqual([2, 'FAILED']);
      expect(run.stdout).toContain('This receipt proves nothing.');
    }
  });

  test.each<[string, string, (receipt: Record<string, unknown>) => object]>([
    ['another number', 'receipt-inclusion', ({ index }) => ({ index: Number(index) - 1 })],
    [
      'a shorter proof',
      'receipt-inclusion',
      ({ proof }) => ({ proof: (proof as string[]).slice(1) }),
    ],
    [
      'an edited leaf',
      'receipt-inclusion',
      ({ leaf }) => ({ leaf: (leaf as string).replace('"version":1', '"version":2') }),
    ],
    [
      'a larger tree',
      'checkpoint-signature',
      ({ checkpoint }) => ({ checkpoint: (checkpoint as string).replace(/\n\d+\n/, '\n99\n') }),
    ],
    [
      'another log',
      'checkpoint-origin',
      ({ checkpoint }) => ({ checkpoint: (checkpoint as string).replaceAll('simulated/', 's/') }),
    ],
    ['another salt', 'receipt-to-be-signed', () => ({ salt: '00'.repeat(32) })],
  ])('%s: exit 2', async (name, id, changes) => {
    const run = await offline(changed(name, changes), '--in', file('small'));
    expect([run.status, lastLine(run)]).toEqual([2, 'FAILED']);
    expect(run.stdout).toMatch(new RegExp(`^FAIL +${id}: `, 'm'));
  });

  test.each<[string, (receipt: Record<string, unknown>) => object]>([
    ['a member more', () => ({ more: 1 })],
    ['a member less', () => ({ proof: undefined })],
    ['a short salt', () => ({ salt: '00' })],
    ['a leaf that is none', () => ({ leaf: '{}' })],
    ['a checkpoint that is none', () => ({ checkpoint: 'nothing\n' })],
    ['an upper-case proof', () => ({ proof: ['AA'.repeat(32)] })],
  ])('%s: exit 3', async (name, changes) => {
    const run = await offline(changed(name, changes));
    expect([run.status, lastLine(run)]).toEqual([3, 'FAILED']);
    expect(run.stderr).toContain('not decodable');
    const json = await offline(name, '--json');
    expect(JSON.parse(json.stdout)).toMatchObject({ verdict: 'none', checks: [] });
  });

  test.each([
    ['empty', ''],
    ['half', '{"checkpoint":"simu'],
    ['text', 'no receipt\n'],
  ])('a receipt or evidence that is %s: exit 3', async (name, content) => {
    writeFileSync(file(name), content);
    expect((await offline(name)).status).toBe(3);
    const args = [file('message.receipt'), '--evidence', file(name), '--reference', reference];
    expect((await runSealwright(['verify-receipt', ...args])).status).toBe(3);
  });

  test('evidence that does not meet the reference file: exit 2, and the receipt proves nothing', async () => {
    const policy = JSON.parse(readFileSync(reference, 'utf8')) as Record<string, unknown>;
    const cluster = { rule: 'require', clusterId: '00'.repeat(32) };
    writeFileSync(file('other.json'), JSON.stringify({ ...policy, cluster }));
    const files = ['--evidence', file('evidence'), '--reference', file('other.json')];
    const run = await runSealwright(['verify-receipt', file('message.receipt'), ...files]);
    expect([run.status, lastLine(run)]).toEqual([2, 'FAILED']);
    expect(run.stdout).toMatch(/^FAIL +cluster: /m);
    expect(run.stdout).toContain('This receipt proves nothing');
    expect(run.stdout).not.toContain('put this leaf into its log');
  });

  test('old evidence is refused now, and good for its own time', async () => {
    const later = ['--time', '2096-01-01T00:00:00Z'];
    expect((await offline('message.receipt', ...later)).status).toBe(2);
    expect((await offline('message.receipt', '--time', 'at-issue')).status).toBe(1);
  });

  test.each<[string, () => readonly string[]]>([
    ['no receipt', () => []],
    ['a missing receipt', () => [file('missing')]],
    ['missing evidence', () => [file('message.receipt'), '--evidence', file('missing')]],
    ['a missing file', () => [file('message.receipt'), '--in', file('missing')]],
    [
      'evidence and a service',
      () => [file('message.receipt'), '--evidence', file('evidence'), '--from', stack.state],
    ],
    ['a nonce for a service', () => [file('message.receipt'), '--nonce', '00'.repeat(16)]],
    ['a time for a service', () => [file('message.receipt'), '--time', 'now']],
    ['an unknown form', () => [file('message.receipt'), '--format', 'pem']],
    ['a salt of a JSON receipt', () => [file('message.receipt'), '--salt', '00'.repeat(32)]],
    ['a short salt', () => [file('message.receipt'), '--salt', '00']],
    ['both from stdin', () => ['-', '--in', '-']],
  ])('%s: exit 64', async (_, args) => {
    expect((await stack.run(['verify-receipt', ...args()])).status).toBe(64);
  });

  test('offline without a reference file: exit 64', async () => {
    const args = ['verify-receipt', file('message.receipt'), '--evidence', file('evidence')];
    const { status, stderr } = await runSealwright(args, { cwd: folder });
    expect(status).toBe(64);
    expect(stderr).toContain('nothing is pinned at first sight');
    const env = { SEALWRIGHT_REFERENCE: reference };
    expect((await runSealwright(args, { cwd: folder, env })).status).toBe(1);
  });
});

describe('sign --receipt', () => {
  test.each<[string, readonly string[]]>([
    ['a format without a receipt', ['--format', 'json']],
    ['signature and receipt on stdout', ['--receipt', '-', '--out', '-']],
    ['receipt and JSON on stdout', ['--receipt', '-', '--json']],
    ['a receipt that cannot be written', ['--receipt', 'no/such/folder']],
  ])('%s: exit 64', async (_, more) => {
    const out = more.includes('--out') ? [] : ['--out', file('never')];
    const args = ['sign', '--ring', 'es256-hsm', '--in', file('small'), ...out, ...more];
    expect((await stack.run(args, { cwd: folder })).status).toBe(64);
    expect(() => readFileSync(file('never'))).toThrow(/ENOENT/);
  });

  test('the receipt on stdout', async () => {
    const files = ['--in', file('small'), '--out', file('sig'), '--receipt', '-'];
    const made = await stack.run(['sign', '--ring', 'es256-hsm', ...files]);
    const { status } = await runSealwright(
      ['verify-receipt', '-', '--evidence', file('evidence'), '--reference', reference],
      { input: made.stdout },
    );
    expect([made.status, status]).toEqual([0, 1]);
  });
});

describe('log', () => {
  const log = (...args: readonly string[]): Promise<Finished> => stack.run(['log', ...args]);

  test('show begins with the genesis', async () => {
    const { status, stdout, stderr } = await log('show', '--first', '0', '--count', '3');
    expect([status, stderr]).toEqual([0, `${WARNING}\n`]);
    const [head, first, ...rest] = stdout.trimEnd().split('\n');
    expect(head).toMatch(/^LEAF +TIME +KIND +WHAT$/);
    expect(first).toMatch(new RegExp(`^0 +\\S+Z +genesis +cluster ${stack.ready.clusterId}`));
    expect(rest).toHaveLength(2);
  });

  test('show ends with the last signature, and as JSON gives every leaf', async () => {
    const made = await stack.run([
      ...['sign', '--ring', 'rs256-hsm', '--in', file('small'), '--out', file('sig'), '--json'],
    ]);
    const { leaf: last } = JSON.parse(made.stdout) as { leaf: number };
    expect((await log('show', '--count', '1')).stdout).toMatch(
      new RegExp(`^${String(last)} .* signature +rs256-hsm/1 RS256 for dev$`, 'm'),
    );
    const all = await log('show', '--first', '0', '--count', '256', '--json');
    const { leaves, size } = JSON.parse(all.stdout) as {
      leaves: { index: number; leaf: { kind: string } }[];
      size: number;
    };
    expect(leaves.map(({ index }) => index)).toEqual(Array.from({ length: size }, (_, i) => i));
    expect(new Set(leaves.map(({ leaf }) => leaf.kind))).toEqual(
      new Set(['genesis', 'policy', 'boot', 'key-birth', 'signature']),
    );
  });

  test('prove writes a receipt that verifies offline', async () => {
    for (const format of ['json', 'tlog-proof']) {
      const out = ['--out', file(format), '--format', format];
      const proved = await log('prove', '0', ...out);
      expect(proved.status).toBe(0);
      expect(proved.stdout).toMatch(/^ok +receipt-inclusion: /m);
      expect(proved.stdout).toContain(`cluster ${stack.ready.clusterId} was made`);
      expect((await offline(format)).status).toBe(1);
      // It is not about a signature.
      expect((await offline(format, '--in', file('small'))).status).toBe(2);
    }
  });

  test('checkpoint prints a note, which consistency takes', async () => {
    const kept = await log('checkpoint');
    expect(kept.stdout).toMatch(/^simulated\/sealwright\/[0-9a-f]{32}\n\d+\n\S{44}\n\n\u2014 /);
    writeFileSync(file('kept'), kept.stdout);
    const size = Number(kept.stdout.split('\n')[1]);
    await sign('es256-hsm', 'small', 'later.receipt');
    for (const args of [
      [file('kept')],
      [file('kept'), String(size + 1)],
      [String(size), file('kept')],
      [file('kept'), file('later.receipt')],
      ['1'],
      ['1', '1'],
      ['16', '17'],
      [String(size + 1)],
    ]) {
      const { status, stdout } = await log('consistency', ...args);
      expect([status, stdout.slice(0, 3)], args.join(' ')).toEqual([0, 'OK:']);
    }
    const piped = await stack.run(['log', 'consistency', '-'], { input: kept.stdout });
    expect(piped.status).toBe(0);
  });

  test('the newer one first is found out', async () => {
    const { status, stderr } = await log(
      'consistency',
      file('later.receipt'),
      file('kept'),
      '--json',
    );
    expect([status, (JSON.parse(stderr) as { error: { check: string } }).error.check]).toEqual([
      2,
      'log-consistency',
    ]);
  });

  test.each<[number, string, readonly string[]]>([
    [64, 'show from beyond the log', ['show', '--first', '100000']],
    [64, 'show with no count', ['show', '--count', '0']],
    [64, 'show with too large a count', ['show', '--count', '257']],
    [64, 'show from no number', ['show', '--first', '-1']],
    [64, 'show from beyond 2^53', ['show', '--first', '9007199254740993']],
    [64, 'prove nothing', ['prove']],
    [64, 'prove no number', ['prove', 'x']],
    [64, 'prove a leaf beyond the log', ['prove', '100000']],
    [64, 'prove with a format and no file', ['prove', '0', '--format', 'json']],
    [64, 'consistency of nothing', ['consistency']],
    [64, 'consistency of an empty log', ['consistency', '0']],
    [64, 'consistency the wrong way round', ['consistency', '2', '1']],
    [64, 'consistency beyond the log', ['consistency', '1', '100000']],
    [64, 'consistency of a missing file', ['consistency', 'no-such-file']],
    [3, 'consistency of a file that is none', ['consistency', 'package.json']],
    [64, 'three sizes', ['consistency', '1', '2', '3']],
  ])('exit %i: %s', async (status, _, args) => {
    expect((await log(...args)).status).toBe(status);
  });
});
