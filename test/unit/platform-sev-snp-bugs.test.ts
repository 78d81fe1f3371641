// The rows about SEV-SNP, parsing and physical access of the table "Known verifier bugs" in ../shared/ATTESTATION.md:
// what each of those verifiers got wrong, done to ours.
import { describe, expect, test } from 'vitest';
import {
  AppraisalPolicyError,
  VENDOR_ROOTS,
  parsePlatformPolicy,
  trustAnchor,
} from '../../src/verifier/index.ts';
import { isVendorRoot } from '../../src/verifier/vendor-roots.ts';
import { judgePlatform } from '../support/run-platform-vector.ts';
import {
  GUEST_POLICY,
  HOUR_MS,
  NOW,
  TCBS,
  YEAR_MS,
  certificateTable,
  chipIdOf,
  makeSnp,
  snpCase,
  snpPolicy,
  type CaseChanges,
} from '../support/sev-snp/index.ts';

async function failedOf(changes: CaseChanges): Promise<readonly string[]> {
  return (await judgePlatform(snpCase('Milan', changes))).failed;
}

const pointers = (policy: unknown): readonly string[] => {
  try {
    parsePlatformPolicy(policy);
  } catch (error) {
    if (error instanceof AppraisalPolicyError) return error.problems.map(({ pointer }) => pointer);
    throw error;
  }
  return [];
};

const without = (object: object, ...names: readonly string[]): object =>
  Object.fromEntries(Object.entries(object).filter(([name]) => !names.includes(name)));

describe('bug table', () => {
  test('SNP: reported/committed TCB ignored, policy/VMPL/debug left to the caller, ARK from the network trusted', async () => {
    const low = { ...TCBS.Milan, snp: 8 };
    expect(await failedOf({ snp: { tcb: { reported: low }, data: { tcb: low } } })).toEqual([
      'minimum-tcb',
    ]);
    expect(await failedOf({ snp: { tcb: { committed: low } } })).toEqual([
      'tcb-reported-committed',
    ]);
    expect(await failedOf({ snp: { report: { vmpl: 2 } } })).toEqual(['vmpl']);
    expect(await failedOf({ snp: { report: { policy: GUEST_POLICY | (1n << 19n) } } })).toEqual([
      'debug',
    ]);
    // None of them can be left out of a policy.
    const policy = snpPolicy('Milan', makeSnp('Milan').root);
    const member = without(policy['sev-snp'] as object, 'vmpl', 'guestPolicy');
    expect(pointers({ ...without(policy, 'debug'), 'sev-snp': member })).toEqual(
      expect.arrayContaining(['/debug', '/sev-snp/vmpl', '/sev-snp/guestPolicy']),
    );
    // The whole chain of another AMD, ARK included, as the network would give it.
    const stranger = makeSnp('Milan', { pki: 'stranger' });
    const chain = await failedOf({
      snp: { pki: 'stranger' },
      root: makeSnp('Milan').root,
      files: {
        'ask-milan.der': undefined,
        'ask-milan.pem': Buffer.from(
          [stranger.endorsements[1], stranger.root]
            .map((der) => Buffer.from(der).toString('base64'))
            .map((text) => `-----BEGIN CERTIFICATE-----\n${text}\n-----END CERTIFICATE-----\n`)
            .join(''),
        ),
      },
    });
    expect([...chain].sort()).toEqual([
      'chain-key-ids',
      'chain-signatures',
      'crl-issuer',
      'crl-signature',
      'sent-root',
    ]);
  });

  test('SNP: no validity, chip id, TCB, revocation; stale or nextUpdate-less CRLs accepted', async () => {
    const anyAge = { revocation: { rule: 'require', maxAgeDays: 3650 } };
    expect(await failedOf({ now: NOW + 2 * YEAR_MS, platform: anyAge })).toEqual([
      'chain-validity',
      'crl-current',
    ]);
    expect(await failedOf({ snp: { report: { chipId: chipIdOf('Milan', 'other') } } })).toEqual([
      'chip-id',
    ]);
    expect(await failedOf({ snp: { data: { tcb: { ...TCBS.Milan, ucode: 1 } } } })).toEqual([
      'reported-tcb',
    ]);
    expect(await failedOf({ snp: { list: { revoked: [0x10001] } } })).toEqual(['crl-revoked']);
    expect(await failedOf({ files: { 'vcek-milan.crl': undefined } })).toEqual(['crl-age']);
    expect(await failedOf({ snp: { list: { nextUpdate: NOW - HOUR_MS / 2 } } })).toEqual([
      'crl-current',
    ]);
    expect(await failedOf({ snp: { list: { nextUpdate: undefined } } })).toEqual([
      'crl-next-update',
      'crl-current',
    ]);
  });

  test('SNP: report_data mismatch is not fatal; chain not verified', async () => {
    const other = await judgePlatform(
      snpCase('Milan', { snp: { report: { reportData: new Uint8Array(64).fill(1) } } }),
    );
    expect(other).toMatchObject({ verdict: 'contraindicated', failed: ['binding/reportData'] });

    const unchained = await judgePlatform(
      snpCase('Milan', {
        files: { 'vcek.der': makeSnp('Milan', { pki: 'stranger' }).endorsements[0] },
      }),
    );
    expect(unchained).toMatchObject({
      verdict: 'contraindicated',
      failed: ['platform-signature', 'chain-signatures'],
    });
  });

  test('simulation: a simulator’s root never reads as a pass of a real platform', async () => {
    const { root } = makeSnp('Milan');
    const refuse = await failedOf({ around: { simulated: { rule: 'refuse' } } });
    const accept = await judgePlatform(snpCase('Milan'));
    const vendorRoots = await failedOf({ around: { trustAnchors: { rule: 'vendor-roots' } } });

    expect(refuse).toEqual(['simulated']);
    expect(accept).toMatchObject({ verdict: 'warning', warned: ['simulated'] });
    // Of the name that AMD's own has, and with another key.
    expect([...vendorRoots].sort()).toEqual(
      expect.arrayContaining(['chain-signatures', 'trust-anchor', 'trust-anchor-accepted']),
    );
    expect(isVendorRoot(trustAnchor('AMD ARK-Milan', 'sev-snp', root))).toBe(false);
    expect(VENDOR_ROOTS.filter(({ format }) => format === 'sev-snp')).toHaveLength(3);
  });

  test('parsing: unbounded allocation, by a length of four gigabytes', async () => {
    const content = makeSnp('Milan').endorsements[0];
    const files = {
      'auxblob.bin': certificateTable([{ role: 'vcek', content, length: 0xffffffff }]),
    };

    expect(await failedOf({ files })).toEqual(['certificate-table']);
  });

  test('physical: extracted keys sign, so platforms can be listed by chip and by provider', async () => {
    const listed = (id: string): NonNullable<CaseChanges['around']> => ({
      platforms: { rule: 'require', anyOf: [{ name: 'ours', id }] },
    });
    const chip = Buffer.from(chipIdOf('Milan')).toString('hex');

    expect(await failedOf({ around: listed(`chip:${chip}`) })).toEqual([]);
    expect(await failedOf({ around: listed(`chip:${chip.slice(2)}00`) })).toEqual(['platforms']);
    expect(
      await failedOf({ snp: { key: 'VLEK' }, around: listed('csp:CN=cc-test-1.example.com') }),
    ).toEqual([]);
    expect(await failedOf({ snp: { key: 'VLEK' }, around: listed(`chip:${chip}`) })).toEqual([
      'platforms',
    ]);
  });

  test('policy: no measurement, or an empty list of them, accepts nothing', () => {
    const good = snpPolicy('Milan', makeSnp('Milan').root);

    expect(pointers({ ...good, measurements: undefined })).toEqual(['/measurements']);
    expect(pointers({ ...good, measurements: { rule: 'require', anyOf: [] } })).toEqual([
      '/measurements/anyOf',
    ]);
    expect(pointers({ ...good, measurements: { rule: 'skip' } })).toEqual([
      '/measurements/because',
    ]);
  });
});
