import { afterAll, describe, expect, test } from 'vitest';
import { judgePlatform } from '../support/run-platform-vector.ts';
import {
  NOW,
  SNP_REFUSALS,
  TCBS,
  YEAR_MS,
  certificateTable,
  makeSnp,
  snpCase,
  type CaseChanges,
  type Product,
} from '../support/sev-snp/index.ts';

const PRODUCTS = ['Milan', 'Genoa', 'Turin'] as const;

let accepted = 0;

/** Nothing failed; that the root is a test's is the one warning. */
async function expectGood(product: Product, changes: CaseChanges = {}): Promise<void> {
  const { verdict, failed, warned } = await judgePlatform(snpCase(product, changes));

  expect({ verdict, failed, warned }).toEqual({
    verdict: 'warning',
    failed: [],
    warned: ['simulated'],
  });
  accepted += 1;
}

describe('good evidence under test roots', () => {
  for (const product of PRODUCTS) {
    for (const key of ['VCEK', 'VLEK'] as const) {
      test(`${product}, ${key}`, () => expectGood(product, { snp: { key } }));
    }
  }

  test.each(PRODUCTS)('report version 2 of %s, whose CPU only the certificate names', (product) =>
    expectGood(product, { snp: { report: { version: 2 } } }),
  );

  test('report version 4 has what version 3 has', () =>
    expectGood('Genoa', { snp: { report: { version: 4 } } }));

  test('a CPU of Bergamo is certified as Genoa', () =>
    expectGood('Genoa', { snp: { report: { cpu: [0x19, 0xa0, 2] } } }));

  test('firmware on trial, accepted with a reason', () =>
    expectGood('Genoa', {
      snp: { tcb: { committed: { ...TCBS.Genoa, snp: 22 } } },
      platform: { provisionalFirmware: { rule: 'accept', because: 'a trial' } },
    }));

  test('an author key, and its flag', () =>
    expectGood('Turin', {
      snp: { report: { keyFlags: 1, authorKeyDigest: new Uint8Array(48).fill(9) } },
    }));

  test('certificates from the table that the host handed out, with a record nobody knows', () => {
    const { endorsements, root } = makeSnp('Genoa');
    return expectGood('Genoa', {
      files: {
        'vcek.der': undefined,
        'ask-genoa.der': undefined,
        'auxblob.bin': certificateTable([
          { role: 'ark', content: root },
          { role: 'ask', content: endorsements[1] },
          { role: 'extra', content: Uint8Array.of(1, 2, 3) },
          { role: 'vcek', content: endorsements[0] },
        ]),
      },
    });
  });

  test('mitigations in force at launch and now', () =>
    expectGood('Turin', {
      snp: {
        patch: [
          [0x1f8, 0x3f],
          [0x200, 0x7f],
        ],
      },
      platform: { mitigations: { rule: 'require', allOf: '000000000000003f' } },
    }));

  test('a hidden chip id is not compared; without a signature it still fails', async () => {
    const hidden = snpCase('Milan', {
      snp: { report: { keyFlags: 2, chipId: new Uint8Array(64) } },
    });
    const { checks } = await judgePlatform(hidden);

    expect(checks.find(({ id }) => id === 'chip-id')?.verdict).toBe('none');
  });
});

let refused = 0;
for (const [about, rows] of Object.entries(SNP_REFUSALS)) {
  describe(`SEV-SNP evidence is refused: ${about}`, () => {
    for (const { what, product = 'Milan', changes, failed } of rows) {
      test(what, async () => {
        const outcome = await judgePlatform(snpCase(product, changes));

        expect([...outcome.failed].sort()).toEqual([...failed].sort());
        expect(outcome.verdict).toBe('contraindicated');
        refused += 1;
      });
    }
  });
}

describe('the moment of judgement', () => {
  const { endorsements } = makeSnp('Milan');

  test.each([
    ['the first moment of the key', NOW - 3_600_000, []],
    ['one second before', NOW - 3_601_000, ['chain-validity', 'crl-age', 'crl-current']],
    ['the last moment of the key', NOW + YEAR_MS, []],
    ['one second after', NOW + YEAR_MS + 1000, ['chain-validity', 'crl-current']],
  ])('%s', async (_, now, failed) => {
    const outcome = await judgePlatform(
      snpCase('Milan', { now, platform: { revocation: { rule: 'require', maxAgeDays: 3650 } } }),
    );

    expect([...outcome.failed].sort()).toEqual(failed);
    expect(endorsements).toHaveLength(2);
  });
});

test('a refusal with a skipped revocation still looks at a list that was given', async () => {
  const revocation = { rule: 'skip', because: 'we never look' };
  const revoked = await judgePlatform(
    snpCase('Milan', { snp: { list: { revoked: [0x10001] } }, platform: { revocation } }),
  );

  expect(revoked.failed).toEqual(['crl-revoked']);
});

test('every check that a vendor’s document demands names its clause', async () => {
  const { checks } = await judgePlatform(snpCase('Turin'));
  const own =
    /^(?:platform-signature|chain-|endorsement-|issuer-|signing-key|product|reported-tcb|chip-id|signature-algorithm|reserved|guest-policy|author-key|crl|tcb-|firmware-|minimum-|vmpl|guest-svn|platform-info)/;
  const silent = checks
    .filter(
      ({ id, verdict }) =>
        own.test(id) && verdict !== 'none' && id !== 'chain-validity' && id !== 'crl-current',
    )
    .filter(({ clause }) => !/^5(?:6860|7230|6421)/.test(clause ?? ''));

  expect(silent.map(({ id }) => id)).toEqual([]);
});

afterAll(() => {
  process.stdout.write(`SEV-SNP: ${String(accepted)} accepted, ${String(refused)} refused\n`);
  expect(refused).toBeGreaterThanOrEqual(3 * accepted);
});
