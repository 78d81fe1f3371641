import { describe, expect, test } from 'vitest';
import {
  NITRO_NONCE,
  NITRO_PCRS,
  nitroChain,
  nitroPolicy,
} from '../../scripts/evidence/nitro/index.ts';
import { parsePlatformPolicy, type AppraisalPolicyError } from '../../src/verifier/index.ts';
import { expectGood, expectRefused, hex, judge, member } from '../support/nitro-cases.ts';

const ZERO = new Uint8Array(48);
const debugPcrs = new Map([...NITRO_PCRS].map(([i, value]) => [i, i < 3 ? ZERO : value]));
const zeros = { PCR0: hex(ZERO), PCR1: hex(ZERO), PCR2: hex(ZERO) };
const named = (
  values: Readonly<Record<string, string>>,
  more: object = {},
): Record<string, unknown> => ({
  measurements: { rule: 'require', anyOf: [{ name: 'x', values, ...more }] },
});
const skipAll = { PCR0: 'a', PCR1: 'b', PCR2: 'c' };
const good = (nitroPolicy()['measurements'] as { anyOf: [{ values: Record<string, string> }] })
  .anyOf[0].values;

/** JSON pointers of a policy's problems. */
function problemsOf(changes: Readonly<Record<string, unknown>>): readonly string[] {
  try {
    parsePlatformPolicy(nitroPolicy(changes));
    return [];
  } catch (error) {
    return (error as AppraisalPolicyError).problems.map(({ pointer }) => pointer);
  }
}

describe('bug table, Nitro', () => {
  test('root compared with the last of the bundle: genuine chains rejected (world-chain PR 956)', async () => {
    const chain = nitroChain();
    const other = [nitroChain('other').root, ...chain.bundle.slice(1)];

    await expectGood({ chain });
    await expectRefused(['sent-root'], { chain: { ...chain, bundle: other } });
    const { failed } = await judge({ chain: { ...chain, bundle: chain.bundle.toReversed() } });
    expect(failed).toContain('sent-root');
  });

  test('registers not compared when none are expected (keep issue 577, PR 590)', () => {
    expect(problemsOf({ measurements: undefined })).toEqual(['/measurements']);
    expect(problemsOf({ measurements: { rule: 'require', anyOf: [] } })).toEqual([
      '/measurements/anyOf',
    ]);
    expect(problemsOf(named({}))).toContain('/measurements/anyOf/0/values/PCR0');
  });

  test('incomplete register maps pass equality (CVE-2025-64186)', () =>
    expectRefused(
      ['measurements'],
      member('pcrs', new Map([...NITRO_PCRS].filter(([i]) => i !== 2))),
    ));

  test('registers that are absent are not the zeros that a policy names', () =>
    expectRefused(
      ['measurements'],
      member('pcrs', new Map([...NITRO_PCRS].filter(([i]) => i !== 8))),
      named({ ...good, PCR8: hex(ZERO) }),
    ));

  test('a client that compares PCR8 only (GHSA-88h9-77c7-p6w4): it says that the rest was skipped', async () => {
    const { verdict, warned, checks } = await judge(
      {},
      {
        measurements: {
          rule: 'require',
          anyOf: [{ name: 'signer', values: { PCR8: hex(ZERO) } }],
          skipped: { PCR0: 'a', PCR1: 'b', PCR2: 'c' },
        },
      },
    );
    expect(verdict).toBe('warning');
    expect(warned).toContain('completeness');
    expect(checks.filter(({ verdict: one }) => one === 'none').map(({ id }) => id)).toEqual(
      expect.arrayContaining(['measurements/PCR0', 'measurements/PCR1', 'measurements/PCR2']),
    );
  });

  test('debug documents accepted (base PR 4042): also when the policy names the zeros', () =>
    expectRefused(['debug'], member('pcrs', debugPcrs), named(zeros)));

  test('debug: the registers are left out', () =>
    expectRefused(
      ['debug', 'measurements'],
      member('pcrs', new Map([[4, NITRO_PCRS.get(4) ?? ZERO]])),
    ));

  test('PCR0 zero alone is not debug', () =>
    expectGood(
      member('pcrs', new Map([...NITRO_PCRS, [0, ZERO]])),
      named({ ...good, PCR0: hex(ZERO) }),
    ));

  test('an empty list of allowed registers accepts all (pontifex PR 30)', () => {
    const empty = { rule: 'require', anyOf: [{ name: 'x', values: {} }], skipped: skipAll };

    expect(problemsOf({ measurements: empty })).toEqual(['/measurements/anyOf/0/values']);
  });

  test('the comparison of registers commented out (attestor-core PR 52)', async () => {
    for (const name of ['PCR0', 'PCR1', 'PCR2']) {
      await expectRefused(['measurements'], {}, named({ ...good, [name]: 'aa'.repeat(48) }));
    }
  });

  test('one register of each of two releases is neither of them', () =>
    expectRefused(
      ['measurements'],
      {},
      {
        measurements: {
          rule: 'require',
          anyOf: [
            { name: 'old', values: { ...good, PCR2: 'aa'.repeat(48) } },
            { name: 'new', values: { ...good, PCR0: 'aa'.repeat(48) } },
          ],
        },
      },
    ));

  test('claimed registers compared without any signature (keep PR 717)', () =>
    expectRefused(['platform-signature'], { signature: () => new Uint8Array(96).fill(1) }));

  test('a simulator’s evidence in production (dstack 563): never more than a warning, and refused by default', async () => {
    const { verdict, warned } = await judge();
    expect({ verdict, warned }).toEqual({ verdict: 'warning', warned: ['simulated'] });
    await expectRefused(['simulated'], {}, { simulated: { rule: 'refuse' } });
    const { failed } = await judge({}, { trustAnchors: { rule: 'vendor-roots' } });
    expect(failed).toContain('trust-anchor');
  });

  test('unbounded allocation by a length (dstack 566, 567): nothing is allocated before it is there', async () => {
    const { verdict, place } = await judge({
      payload: () => Uint8Array.of(0xbb, 0, 0, 0, 1, 0, 0, 0, 0),
    });
    expect({ verdict, place }).toEqual({ verdict: 'malformed', place: '/payload' });
  });

  test('keys extracted from a machine (WireTap, Battering RAM, TEE.fail): only lists of platforms help', () =>
    expectRefused(
      ['platforms'],
      {},
      {
        platforms: {
          rule: 'require',
          anyOf: [{ name: 'ours', id: 'instance:i-0fffffffffffffff0' }],
        },
      },
    ));

  test('an instance that is on the list', () =>
    expectGood(
      {},
      {
        platforms: {
          rule: 'require',
          anyOf: [{ name: 'ours', id: 'instance:i-0123456789abcdef0' }],
        },
      },
    ));
});

describe('and what else must not pass', () => {
  test('a document of an EC2 instance (NitroTPM) is none of an enclave', async () => {
    const { verdict, place } = await judge({
      members: { pcrs: undefined, nitrotpm_pcrs: NITRO_PCRS },
    });
    expect({ verdict, place }).toEqual({ verdict: 'malformed', place: '/payload/nitrotpm_pcrs' });
  });

  test('a measurement is good until its day, whatever the document says', () =>
    expectRefused(['measurements'], {}, named(good, { notAfter: '2026-11-22T12:00:00Z' })));

  test('a nonce that nobody answered is not bound', () =>
    expectRefused(['binding/nonce'], member('nonce', null)));

  test('the answer to another nonce', () =>
    expectRefused(['binding/nonce'], {}, {}, { nonce: hex(NITRO_NONCE).replace(/..$/, '00') }));

  test('a prefix of the nonce', () =>
    expectRefused(['binding/nonce'], {}, {}, { nonce: hex(NITRO_NONCE).slice(0, 32) }));

  test('user data of another protocol', () =>
    expectRefused(['binding/userData'], member('user_data', new Uint8Array(64))));

  test('a key that the policy knows nothing of', () =>
    expectRefused(['binding/publicKey'], member('public_key', Uint8Array.of(1))));

  test('a nonce is drawn, and the policy binds no field to it', () =>
    expectRefused(
      ['nonce'],
      {},
      {
        binding: {
          ...(nitroPolicy()['binding'] as object),
          nonce: { rule: 'skip', because: 'old' },
        },
      },
    ));
});
