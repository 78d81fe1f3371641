/** What an admin is told before signing, and what is refused because it is not what the admin brought. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseSshKeyLine } from '../../enclave/wire/ssh-key.ts';
import { canonicalize, type SignedJsonObject } from '../../enclave/wire/signed-json.ts';
import { readAdminKeys, requireSameAdmins } from '../../src/cli/admin-keys-file.ts';
import { CliError } from '../../src/cli/cli-error.ts';
import { certificateFingerprint, sshFingerprint } from '../../src/cli/fingerprints.ts';
import { policyContent } from '../../src/cli/policy/content.ts';
import { policyDiff } from '../../src/cli/policy/diff.ts';
import { policyDigest } from '../../src/cli/policy/read-policy.ts';
import { requireSuccessor } from '../../src/cli/policy/successor.ts';
import { terminalJson, terminalText } from '../../src/cli/terminal-text.ts';
import { encodePem } from '../../src/pkix/pem.ts';
import { TEST_AUTHORITY } from '../support/fakes/callers.ts';
import { parsedPolicy, policySource, ringSource, testAdmin } from '../support/policies.ts';

const admins = [testAdmin('alice'), testAdmin('bob'), testAdmin('carol')];
const [alice, bob, carol] = admins.map(({ line }) => line) as [string, string, string];
const authority = TEST_AUTHORITY.certificate;
const OURS = 'aa'.repeat(32);

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'policy-approve-'));
});
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

function written(name: string, text: string): string {
  const file = join(folder, name);
  writeFileSync(file, text);
  return file;
}

function refusal(act: () => unknown): CliError {
  try {
    act();
  } catch (error) {
    if (error instanceof CliError) return error;
    throw error;
  }
  throw new Error('not refused');
}

describe('fingerprints', () => {
  it.each(['ed25519', 'ecdsa'])('of %s keys are those of ssh-keygen', (type) => {
    const file = join(folder, `key-${type}`);
    execFileSync('ssh-keygen', ['-q', '-t', type, '-N', '', '-C', '', '-f', file]);
    const line = execFileSync('ssh-keygen', ['-yf', file], { encoding: 'utf8' }).trim();
    const listed = execFileSync('ssh-keygen', ['-lf', `${file}.pub`], { encoding: 'utf8' });
    expect(listed.split(' ')[1]).toBe(sshFingerprint(parseSshKeyLine(line)));
  });

  it('of certificates are those of openssl', () => {
    const file = written('ca.pem', encodePem('CERTIFICATE', authority));
    const ask = ['x509', '-in', file, '-noout', '-fingerprint', '-sha256'];
    const said = execFileSync('openssl', ask, { encoding: 'utf8' });
    const [, digest = ''] = said.trim().split('=');
    expect(digest.replaceAll(':', '').toLowerCase()).toBe(certificateFingerprint(authority));
  });
});

describe('the whole content', () => {
  it('names who decides, who is believed, who calls and what is signed', () => {
    const policy = parsedPolicy(
      policySource(admins, {
        threshold: 2,
        validForSeconds: 3600,
        roots: [
          {
            name: 'mesh',
            kind: 'spiffe',
            trustDomain: 'example.org',
            certificates: [Buffer.from(authority).toString('hex')],
          },
          { name: 'corp', kind: 'x509', certificates: ['30', '31'] },
        ],
        deniedKeys: [OURS],
        callers: [
          { name: 'ci', kind: 'peer', socket: 'ci' },
          { name: 'ops', kind: 'x509', root: 'corp', subject: ['CN=M\u00fcller'] },
        ],
        rings: [
          ringSource('release', { limits: { callerPerSecond: 2, ringPerSecond: 5 } }),
          { ...ringSource('digests'), payload: { kind: 'digest' }, callers: [] },
        ],
      }),
    );
    const of = (byte: number): string => certificateFingerprint(Uint8Array.of(byte));
    expect(policyContent(policy)).toEqual([
      '2 of 3 admins decide',
      ...admins.map((admin) => `admin ${admin.name} (ssh-ed25519 ${sshFingerprint(admin)})`),
      'to be applied from 1970-01-01T00:00:00.000Z until 1970-01-02T00:00:00.000Z',
      'signing goes on for 3600 s after it is applied',
      `root mesh (spiffe example.org; SHA-256 of its certificates ${certificateFingerprint(authority)})`,
      `root corp (x509; SHA-256 of its certificates ${of(0x30)}, ${of(0x31)})`,
      `denied key ${OURS}`,
      'caller ci: peer:ci',
      'caller ops: x509:corp:["CN=M\\u{fc}ller"]',
      'ring release: ES256, residency enclave, payload message of at most 61440 bytes, lowest rank peer (a Unix socket, by the word of the host), because "a test", 2 a second for each caller, 5 a second for all, for ci',
      'ring digests: ES256, residency enclave, payload digest, lowest rank peer (a Unix socket, by the word of the host), because "a test", for nobody',
    ]);
  });

  it('shows times that are beyond all dates', () => {
    const [notBefore, notAfter] = [2 ** 53 - 2, 2 ** 53 - 1];
    expect(policyContent(parsedPolicy(policySource(admins, { notBefore, notAfter })))).toContain(
      'to be applied from 9007199254740990 ms until 9007199254740991 ms',
    );
  });

  it('and the diff show a name that only looks like another', () => {
    const named = (subject: string) =>
      parsedPolicy(
        policySource(admins, {
          roots: [{ name: 'corp', kind: 'x509', certificates: ['30'] }],
          callers: [{ name: 'ci', kind: 'x509', root: 'corp', subject: [`CN=${subject}`] }],
          rings: [],
        }),
      );
    const cyrillic = named('p\u0430y');
    expect(policyContent(cyrillic)).toContain('caller ci: x509:corp:["CN=p\\u{430}y"]');
    expect(policyDiff(named('pay'), cyrillic)).toEqual([
      {
        effect: 'widens',
        text: 'caller ci is now x509:corp:["CN=p\\u{430}y"], and was x509:corp:["CN=pay"]',
      },
    ]);
  });
});

describe('--current', () => {
  const read = (source: SignedJsonObject) => ({
    bytes: canonicalize(source),
    policy: parsedPolicy(source),
  });
  const digestOf = (source: SignedJsonObject): string =>
    Buffer.from(policyDigest(canonicalize(source))).toString('hex');
  const first = policySource(admins);
  const second = policySource(admins, {
    version: 2,
    clusterId: OURS,
    replaces: digestOf(first),
  });
  const third = policySource(admins, { version: 3, clusterId: OURS, replaces: digestOf(second) });

  it('is taken when the document follows it', () => {
    expect(() => {
      requireSuccessor(read(second), read(third));
      requireSuccessor(read(first), read(second));
    }).not.toThrow();
  });

  const forged = { ...second, threshold: 2 };
  it.each<readonly [string, SignedJsonObject, SignedJsonObject, string]>([
    ['that the document does not replace', forged, third, 'replaces'],
    ['that is the document itself', third, third, 'replaces'],
    ['under a first policy, which replaces nothing', second, first, 'replaces'],
    ['of another version than the one before', second, { ...third, version: 4 }, 'version'],
    ['of another cluster', second, { ...third, clusterId: 'bb'.repeat(32) }, 'clusterId'],
  ])('%s is refused', (_name, current, next, mismatch) => {
    const { status, facts } = refusal(() => {
      requireSuccessor(read(current), read(next));
    });
    expect([status, facts]).toEqual([2, { mismatch }]);
  });
});

describe('--admins', () => {
  const { admins: named } = parsedPolicy(policySource(admins, { threshold: 2 }));
  const check = (...lines: readonly string[]) => {
    const file = written('admins', lines.join('\n'));
    requireSameAdmins(named, readAdminKeys(file), file);
  };

  it('takes the same keys in any order, with comments', () => {
    expect(() => {
      check('# ours', `${carol} carol@laptop`, alice, '', bob, bob);
    }).not.toThrow();
  });

  it('names an admin whom nobody brought', () => {
    const { status, facts, message } = refusal(() => {
      check(alice, bob);
    });
    expect([status, facts]).toEqual([2, { strangers: ['carol'], missing: [] }]);
    expect(message).toContain(`admin carol ${sshFingerprint(parseSshKeyLine(carol))} is not in`);
  });

  it('names a key that is no admin, and one that stands in its place', () => {
    const other = testAdmin('x');
    const missing = [sshFingerprint(other)];
    expect(
      refusal(() => {
        check(alice, bob, carol, other.line);
      }).facts,
    ).toEqual({
      strangers: [],
      missing,
    });
    expect(
      refusal(() => {
        check(alice, other.line, carol);
      }).facts,
    ).toEqual({
      strangers: ['bob'],
      missing,
    });
  });

  it('is refused when it holds no key', () => {
    expect(
      refusal(() => {
        check('# none');
      }).status,
    ).toBe(64);
  });
});

describe('text for a terminal', () => {
  const bad = 'a\u001b[2J\u202eb\u2028c\u{e0041}';

  it('neither steers nor hides', () => {
    expect(terminalText(`${bad}\td\n’`)).toBe('a\\u{1b}[2J\\u{202e}b\\u{2028}c\\u{e0041}\td\n’');
  });

  it('is the same value when it is JSON', () => {
    const json = terminalJson(JSON.stringify({ bad }));
    expect(json).toBe('{"bad":"a\\u001b[2J\\u202eb\\u2028c\\udb40\\udc41"}');
    expect(JSON.parse(json)).toEqual({ bad });
  });
});
