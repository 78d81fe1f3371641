/**
 * A genesis as people do it: an operator proposes, admins with keys of ssh-keygen verify copies of the folder offline
 * and sign, the operator commits. Then relying parties pin the admins.
 */
import { execFileSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { cpSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CALLER_TRUST_DOMAIN, callerUri } from '../../src/simulator/dev-pki.ts';
import { serve, type Served } from '../support/served.ts';
import {
  processesOf,
  runSealwright,
  startStack,
  temporaryFolder,
  until,
  type Finished,
} from '../support/stack.ts';

const ADMINS = { alice: 'ed25519', bob: 'ecdsa', carol: 'ed25519' } as const;
type AdminName = keyof typeof ADMINS;

const { path: parent, remove } = temporaryFolder();
const at = (...names: readonly string[]): string => join(parent, ...names);
const keyOf = (admin: string): string => at(admin, 'id');
const GENESIS = at('genesis');
const STATE = ['--state', at('state')];

let served: Served | undefined;
let clusterId = '';

function makeKey(name: string, type: string): string {
  execFileSync('mkdir', ['-p', at(name)]);
  execFileSync('ssh-keygen', ['-q', '-t', type, '-N', '', '-C', '', '-f', keyOf(name)]);
  return readFileSync(`${keyOf(name)}.pub`, 'utf8').trim();
}

function policyYaml(keys: Readonly<Record<string, string>>, caFile: string): string {
  return [
    'threshold: 2',
    'admins:',
    ...Object.entries(keys).map(([name, key]) => `  - { name: ${name}, key: ${key} }`),
    'roots:',
    `  - { name: mesh, kind: spiffe, trustDomain: ${CALLER_TRUST_DOMAIN}, certificates: [{ file: ${caFile} }] }`,
    'callers:',
    `  - { name: dev, kind: spiffe, id: ${callerUri('dev')} }`,
    'rings:',
    '  - name: release',
    '    algorithm: ES256',
    '    residency: hsm',
    '    payload: { kind: message }',
    '    lowestRank: mtls',
    '    acceptHostAsserted: a test',
    '    callers: [dev]',
    '',
  ].join('\n');
}

beforeAll(async () => {
  // Certificates of an organisation: here those that a dev of another folder made.
  const other = await startStack({ state: at('dev') });
  await other.stop();
  const pki = at('dev', 'pki');
  const client = {
    caFile: join(pki, 'ca.pem'),
    certFile: join(pki, 'client-dev.pem'),
    keyFile: join(pki, 'client-dev.key'),
  };
  const tls = {
    certFile: join(pki, 'server.pem'),
    keyFile: join(pki, 'server.key'),
    clientCaFile: join(pki, 'ca.pem'),
  };
  const host = { listen: '127.0.0.1:0', tls };
  served = await serve(parent, { state: at('state'), host, platform: { workers: 1 }, client });
  await until(async () => {
    const { stdout } = await runSealwright(['status', '--json', ...STATE]);
    return stdout.includes('"setup"');
  });
  const keys = Object.fromEntries(
    Object.entries(ADMINS).map(([name, type]) => [name, makeKey(name, type)]),
  );
  writeFileSync(at('policy.yaml'), policyYaml(keys, client.caFile));
}, 120_000);

afterAll(async () => {
  await served?.stop();
  expect(processesOf(parent)).toEqual([]);
  remove();
});

const reasonOf = ({ stderr }: Finished): unknown =>
  (JSON.parse(stderr) as { error: { reason?: string } }).error.reason;

/** What an admin does with a copy of the folder. */
function approve(admin: AdminName | 'mallory', ...more: readonly string[]): Promise<Finished> {
  const copy = at(admin, 'genesis');
  cpSync(GENESIS, copy, { recursive: true });
  // No service can be found from there: nothing may need one.
  return runSealwright(['genesis', 'approve', copy, '--reference', at('reference.json'), ...more], {
    cwd: at(admin),
    env: { SEALWRIGHT_ADDRESS: 'localhost:1' },
  });
}

const signatureOf = (admin: AdminName): string =>
  at(admin, 'genesis', `statement.json.${admin}.sig`);
const commit = (...approvals: readonly string[]): Promise<Finished> =>
  runSealwright(['genesis', 'commit', GENESIS, ...approvals, '--json', ...STATE]);

describe('a ceremony', () => {
  test('begins with a proposal that touches nothing', async () => {
    // The admins' own reference values: here those of what runs.
    const pin = ['reference-values', '--trust-on-first-use', 'a test', ...STATE];
    expect((await runSealwright([...pin, '--out', at('reference.json')])).status).toBe(0);
    const proposed = await runSealwright([
      ...['genesis', 'propose', '--name', 'prod', '--policy', at('policy.yaml')],
      ...['--out', GENESIS, '--json', ...STATE],
    ]);
    expect(proposed.status).toBe(0);
    ({ clusterId } = JSON.parse(proposed.stdout) as { clusterId: string });
    expect(clusterId).toMatch(/^[0-9a-f]{64}$/);
    expect((await runSealwright(['keys', 'list', ...STATE])).status).toBe(64);
    const { stdout } = await runSealwright(['status', '--json', ...STATE]);
    expect(stdout).toContain('"setup"');
  });

  test('is verified offline, signed or not', async () => {
    const looked = await approve('carol');
    // Warning: what is simulated is never more.
    expect([looked.status, looked.stdout]).toEqual([
      1,
      expect.stringMatching(/proposal-statement: these[^]*WARNING/),
    ]);
    expect(looked.stderr).toContain('2 of 3 admins decide\n');
    for (const name of Object.keys(ADMINS)) {
      const listed = execFileSync('ssh-keygen', ['-lf', `${keyOf(name)}.pub`], {
        encoding: 'utf8',
      });
      expect(looked.stderr).toContain(`admin ${name} (`);
      expect(looked.stderr).toContain(` ${listed.split(' ')[1] ?? '?'})\n`);
    }
    const ca = new X509Certificate(readFileSync(at('dev', 'pki', 'ca.pem')));
    const fingerprint = ca.fingerprint256.replaceAll(':', '').toLowerCase();
    expect(looked.stderr).toContain(
      `root mesh (spiffe ${CALLER_TRUST_DOMAIN}; SHA-256 of its certificates ${fingerprint})`,
    );
    expect(looked.stderr).toContain(`caller dev: ${callerUri('dev')}`);
    expect(looked.stderr).toContain('ring release: ES256, residency hsm');
    expect(looked.stderr).toContain(`cluster ${clusterId}`);
    expect(looked.stderr).toContain('ssh-keygen -Y sign -n sealwright-genesis');
    expect(existsSync(signatureOf('carol'))).toBe(false);
    expect((await approve('alice', '--key', keyOf('alice'))).status).toBe(0);
  });

  test('is held against the keys that the admin brought', async () => {
    makeKeyOnce('mallory');
    const keys = (...names: readonly string[]): string => {
      const file = at(`${names.join('-')}.keys`);
      writeFileSync(file, names.map((name) => readFileSync(`${keyOf(name)}.pub`)).join(''));
      return file;
    };
    const same = await approve('carol', '--admins', keys('carol', 'bob', 'alice'));
    expect(same.status).toBe(1);
    const out = at('never.sig');
    const signing = ['--key', keyOf('carol'), '--out', out, '--json'];
    const other = await approve(
      'carol',
      ...['--admins', keys('alice', 'mallory', 'carol'), ...signing],
    );
    expect([other.status, existsSync(out)]).toEqual([2, false]);
    const { error } = JSON.parse(other.stderr) as { error: object };
    const listed = execFileSync('ssh-keygen', ['-lf', `${keyOf('mallory')}.pub`], {
      encoding: 'utf8',
    });
    expect(error).toMatchObject({ strangers: ['bob'], missing: [listed.split(' ')[1]] });
  });

  test.each([
    [
      'manifest.json',
      (text: string) => text.replace('"name":"prod"', '"name":"evil"'),
      'proposal-manifest',
    ],
    [
      'statement.json',
      (text: string) => text.replace(/"mr0":"../, '"mr0":"00'),
      'proposal-statement',
    ],
    [
      'statement.json',
      (text: string) => text.replace(/"clusterId":"../, '"clusterId":"zz'),
      'proposal-statement',
    ],
  ])('with another %s is not signed', async (file, change, check) => {
    makeKeyOnce('mallory');
    cpSync(GENESIS, at('tampered'), { recursive: true });
    const path = at('tampered', file);
    writeFileSync(path, change(readFileSync(path, 'utf8')));
    const out = at('tampered', 'sig');
    const refused = await runSealwright([
      ...['genesis', 'approve', at('tampered'), '--reference', at('reference.json')],
      ...['--key', keyOf('alice'), '--out', out],
    ]);
    expect(refused.status).toBe(2);
    expect(refused.stdout).toContain(`FAIL         ${check}`);
    expect(existsSync(out)).toBe(false);
  });

  test('of other code than the admin’s reference values name is not signed', async () => {
    const reference = readFileSync(at('reference.json'), 'utf8');
    const { registers } = JSON.parse(reference) as {
      registers: { MR0: { anyOf: [{ value: string }] } };
    };
    const [{ value }] = registers.MR0.anyOf;
    writeFileSync(at('other.json'), reference.replace(value, 'ab'.repeat(48)));
    const refused = await runSealwright([
      ...['genesis', 'approve', GENESIS, '--reference', at('other.json')],
      ...['--key', keyOf('alice'), '--out', at('no.sig')],
    ]);
    expect([refused.status, existsSync(at('no.sig'))]).toEqual([2, false]);
    expect(refused.stdout).toMatch(/FAIL +MR0/);
  });

  test('is not approved with a key that is no admin’s', async () => {
    makeKeyOnce('mallory');
    const refused = await approve('mallory', '--key', keyOf('mallory'));
    expect(refused.status).toBe(64);
    expect(refused.stderr).toContain('no admin');
  });

  test('is not committed with one of two approvals', async () => {
    const refused = await commit(signatureOf('alice'));
    expect([refused.status, reasonOf(refused)]).toEqual([70, 'APPROVALS_MISSING']);
    const twice = await commit(signatureOf('alice'), signatureOf('alice'));
    expect([twice.status, reasonOf(twice)]).toEqual([70, 'APPROVAL_INVALID']);
  });

  test('is committed with a second one that ssh-keygen made elsewhere', async () => {
    cpSync(GENESIS, at('bob', 'genesis'), { recursive: true });
    const statement = at('bob', 'genesis', 'statement.json');
    const ssh = ['-Y', 'sign', '-q', '-n', 'sealwright-genesis', '-f', keyOf('bob'), statement];
    execFileSync('ssh-keygen', ssh);
    const born = await commit(signatureOf('alice'), `${statement}.sig`);
    expect(born.status).toBe(0);
    expect(JSON.parse(born.stdout)).toMatchObject({ clusterId, rings: 1 });
    const again = await commit(signatureOf('alice'), `${statement}.sig`);
    expect([again.status, reasonOf(again)]).toEqual([70, 'GENESIS_NOT_ALLOWED']);
  });
});

describe('a relying party', () => {
  async function verdict(cluster: unknown): Promise<Finished> {
    const reference = JSON.parse(readFileSync(at('reference.json'), 'utf8')) as object;
    const rings = { rule: 'require', anyOf: ['release'] };
    writeFileSync(
      at('pinned.json'),
      JSON.stringify({ ...reference, cluster, hostAssertedRings: rings }),
    );
    const evidence = at('now.evidence.json');
    const nonce = '07'.repeat(32);
    const fetched = await runSealwright([
      'evidence',
      '--nonce',
      nonce,
      '--out',
      evidence,
      ...STATE,
    ]);
    expect(fetched.status).toBe(0);
    return runSealwright([
      ...['verify-evidence', evidence, '--reference', at('pinned.json'), '--nonce', nonce],
    ]);
  }
  const lines = (...admins: readonly string[]): string[] =>
    admins.map((admin) =>
      readFileSync(`${keyOf(admin)}.pub`, 'utf8')
        .trim()
        .split(' ')
        .slice(0, 2)
        .join(' '),
    );

  test.each([
    [2, ['alice', 'bob', 'carol'], 1],
    [1, ['bob'], 1],
    [2, ['alice', 'carol'], 2],
    [1, ['mallory'], 2],
  ] as const)('that pins %i of %j', async (threshold, admins, status) => {
    const adminKeys = lines(...admins);
    const judged = await verdict({ rule: 'require', adminKeys, threshold });
    expect(judged.status).toBe(status);
    if (status === 2) expect(judged.stdout).toMatch(/FAIL +cluster:/);
    else expect(judged.stdout).not.toContain('FAIL');
  });

  test('that pins the cluster id from before the ceremony ended', async () => {
    const judged = await verdict({ rule: 'require', clusterId });
    expect(judged.status).toBe(1);
  });
});

function makeKeyOnce(name: string): void {
  if (!existsSync(keyOf(name))) makeKey(name, 'ed25519');
}
