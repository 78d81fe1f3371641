/** policy build and check: from what people write to what admins sign. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MAX_POLICY_WINDOW_MS } from '../../enclave/wire/limits.ts';
import {
  buildContext,
  checkPolicyFile,
  policyDigest,
  problemLine,
  readPolicyFile,
} from '../../src/cli/policy/read-policy.ts';
import { encodePem } from '../../src/pkix/pem.ts';
import { TEST_AUTHORITY } from '../support/fakes/callers.ts';
import { testAdmin } from '../support/policies.ts';

const NOW = Date.parse('2027-01-31T08:00:00Z');
const admins = [testAdmin('alice'), testAdmin('bob'), testAdmin('carol')];
const authority = TEST_AUTHORITY.certificate;

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'policy-'));
  writeFileSync(join(folder, 'ca.pem'), encodePem('CERTIFICATE', authority));
});
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

function written(text: string): string {
  const file = join(folder, 'policy.yaml');
  writeFileSync(file, text);
  return file;
}

const FIRST = { current: undefined, clusterId: undefined };

function check(text: string, on: Parameters<typeof buildContext>[1] = FIRST) {
  const file = written(text);
  const { read, problems } = checkPolicyFile(file, { ...buildContext(file, on), nowMs: NOW });
  return { read, problems: problems.map(problemLine) };
}

const [alice, bob, carol] = admins.map(({ line }) => line) as [string, string, string];

/** As a person writes it, with comments and names for people. */
const SOURCE = `# Who signs releases
threshold: 2
admins:
  - { name: alice, key: ${alice} alice@laptop }
  - { name: bob, key: ${bob} }
  - name: carol
    key: "  ${carol}   carol's key  "
roots:
  - name: mesh
    kind: spiffe
    trustDomain: example.org
    certificates:
      - file: ca.pem
callers:
  - { name: ci, kind: spiffe, id: spiffe://example.org/ci }
rings:
  - name: release
    algorithm: ES256
    residency: hsm
    payload: { kind: digest }
    lowestRank: mtls
    acceptHostAsserted: CI has no library yet
    callers: [ci]
`;

describe('policy build', () => {
  it('fills in what is the same each time, and nothing else', () => {
    const { read, problems } = check(SOURCE);
    expect(problems).toEqual([]);
    expect(JSON.parse(new TextDecoder().decode(read?.bytes))).toEqual({
      v: 1,
      kind: 'policy',
      version: 1,
      notBefore: NOW,
      notAfter: NOW + 7 * 86_400_000,
      threshold: 2,
      admins: [
        { name: 'alice', key: alice },
        { name: 'bob', key: bob },
        { name: 'carol', key: carol },
      ],
      roots: [
        {
          name: 'mesh',
          kind: 'spiffe',
          trustDomain: 'example.org',
          certificates: [Buffer.from(authority).toString('hex')],
        },
      ],
      deniedKeys: [],
      callers: [{ name: 'ci', kind: 'spiffe', id: 'spiffe://example.org/ci' }],
      rings: [
        {
          name: 'release',
          algorithm: 'ES256',
          residency: 'hsm',
          payload: { kind: 'digest' },
          lowestRank: 'mtls',
          acceptHostAsserted: 'CI has no library yet',
          callers: ['ci'],
        },
      ],
    });
  });

  it('makes one line that reads as itself', () => {
    const { read } = check(SOURCE);
    const text = new TextDecoder().decode(read?.bytes);
    expect(text).not.toContain('\n');
    const again = check(text);
    expect(again.problems).toEqual([]);
    expect(again.read?.bytes).toEqual(read?.bytes);
  });

  it('names the cluster and the predecessor', () => {
    const digest = new Uint8Array(32).fill(7);
    const clusterId = new Uint8Array(32).fill(9);
    const { read } = check(SOURCE, { current: { version: 4, digest }, clusterId });
    expect(read?.policy).toMatchObject({ version: 5, clusterId, replaces: digest });
  });

  it('takes the times of the source, and counts its days from there', () => {
    const own = check(`notBefore: 2027-03-01T00:00:00Z\n${SOURCE}`).read?.policy;
    const notBefore = Date.parse('2027-03-01T00:00:00Z');
    expect(own).toMatchObject({ notBefore, notAfter: notBefore + 7 * 86_400_000 });
    const until = check(`notAfter: 2027-02-01T00:00:00.5Z\n${SOURCE}`).read?.policy;
    expect(until?.notAfter).toBe(Date.parse('2027-02-01T00:00:00.5Z'));
  });

  it('leaves what the source says of itself', () => {
    expect(check(`version: 9\n${SOURCE}`).problems).toEqual([
      'line 1: /clusterId: expected 32 bytes as lower-case hex',
      'line 1: /replaces: expected 32 bytes as lower-case hex',
    ]);
  });

  it('takes PEM as it stands, several in one file', () => {
    const pem = encodePem('CERTIFICATE', authority);
    writeFileSync(join(folder, 'two.pem'), `${pem}\nsubject=x\n${pem}`);
    expect(check(SOURCE.replace('ca.pem', 'two.pem')).problems).toEqual([
      'line 13: /roots/0/certificates: one stands twice',
    ]);
    const inline = SOURCE.replace(
      '      - file: ca.pem',
      `      - |\n${pem.replaceAll(/^(?=.)/gm, '        ')}`,
    );
    expect(check(inline).problems).toEqual([]);
  });
});

describe('policy check', () => {
  it.each<readonly [string, (text: string) => string, readonly (string | RegExp)[]]>([
    [
      'every problem at once, each with its line',
      (text) =>
        text
          .replace('threshold: 2', 'threshold: 9')
          .replace('ES256', 'HS256')
          .replace('[ci]', '[ci, eve]'),
      [
        'line 2: /threshold: more than the 3 admins',
        'line 18: /rings/0/algorithm: not a known algorithm',
        'line 23: /rings/0/callers: eve is not a caller of this policy',
      ],
    ],
    [
      'a date that is none, once',
      (text) => `notBefore: 31.1.2027\n${text}`,
      ['line 1: /notBefore: not a UTC time like 2027-01-31T08:00:00Z: 31.1.2027'],
    ],
    [
      'a file that is not there',
      (text) => text.replace('ca.pem', 'no.pem'),
      [/^line 13: \/roots\/0\/certificates\/0: ENOENT/],
    ],
    [
      'a file without PEM',
      (text) => text.replace('ca.pem', 'policy.yaml'),
      ['line 13: /roots/0/certificates/0: no certificate in PEM'],
    ],
    [
      'bytes that are no certificate',
      (text) => text.replace('- file: ca.pem', "- '3000'"),
      ['line 13: /roots/0/certificates/0: not the certificate of a root (decode)'],
    ],
    [
      'YAML that is not read, and what could be read',
      (text) => text.replace('threshold: 2', 'threshold: 2.5').replace('kind: digest', 'kind: raw'),
      [
        'line 2: /threshold: not an integer: 2.5; quote it if it is text',
        'line 20: /rings/0/payload/kind: expected one of digest, message',
      ],
    ],
    [
      'a comment of a member that is none',
      (text) => `${text}note: x\n`,
      ['line 24: /note: unknown member'],
    ],
    ['a list', () => '- a\n', ['line 1: expected an object']],
  ])('%s', (_name, change, expected) => {
    const { problems } = check(change(SOURCE));
    expect(problems).toHaveLength(expected.length);
    for (const [i, one] of expected.entries()) {
      if (typeof one === 'string') expect(problems[i]).toBe(one);
      else expect(problems[i]).toMatch(one);
    }
  });

  it('refuses a document in another form than the canonical one', () => {
    const text = new TextDecoder().decode(check(SOURCE).read?.bytes);
    expect(check(text.replace('":', '": ')).problems).toEqual(['not in canonical form']);
    expect(check(`${text}\n`).problems).toEqual(['not in canonical form']);
  });

  it('a file that can’t be read is no usage that goes on', () => {
    const file = join(folder, 'nowhere.yaml');
    expect(() => readPolicyFile(file, buildContext(file, FIRST))).toThrow(/ENOENT/);
  });

  it('90 days and not a millisecond more', () => {
    const days = (windowMs: number) => check(SOURCE, { ...FIRST, windowMs }).problems;
    expect(days(MAX_POLICY_WINDOW_MS)).toEqual([]);
    expect(days(MAX_POLICY_WINDOW_MS + 1)).toEqual([
      'line 2: /notAfter: more than 90 days after notBefore',
    ]);
  });

  it('a digest is that of the page', () => {
    const bytes = new TextEncoder().encode('x');
    expect(policyDigest(bytes)).toHaveLength(32);
    expect(policyDigest(bytes)).not.toEqual(policyDigest(new TextEncoder().encode('y')));
  });
});

describe('docs/OPERATIONS.md', () => {
  it('shows a policy that is good', () => {
    const page = readFileSync(new URL('../../docs/OPERATIONS.md', import.meta.url), 'utf8');
    const shown = /```yaml\n([^`]+)```/.exec(page)?.[1] ?? '';
    writeFileSync(join(folder, 'mesh-ca.pem'), encodePem('CERTIFICATE', authority));
    writeFileSync(join(folder, 'corp-ca.pem'), encodePem('CERTIFICATE', authority));
    const { read, problems } = check(shown);
    expect(problems).toEqual([]);
    expect(read?.policy.callers.map(({ kind }) => kind)).toEqual(['spiffe', 'x509', 'peer']);
    expect(read?.policy.rings).toHaveLength(3);
  });
});
