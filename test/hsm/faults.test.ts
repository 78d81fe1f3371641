/** Every row of the fault table: what a misbehaving HSM costs, and what it never costs. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { errorClassOf } from '../../enclave/hsm/error-class.ts';
import { toHex } from '../../enclave/wire/bytes.ts';
import { FaultBed, type Report } from '../support/fault-bed.ts';
import { describeScenario, SCENARIOS, type Scenario } from '../support/fault-table.ts';
import { shimIsMissing, type Action } from '../support/pkcs11-shim.ts';

const RECOVERY_MS = 5_000;

describe.skipIf(shimIsMissing())('a misbehaving HSM', () => {
  let bed: FaultBed;
  let other = '';

  beforeAll(async () => {
    bed = new FaultBed();
    await bed.begin(['ES256', 'ES384', 'ES512', 'EdDSA', 'RS256', 'PS256']);
    other = toHex((await bed.bear('ES256')).id);
  });
  afterAll(() => bed.end());

  /** `OTHER` stands for the CKA_ID of a key that nobody asks for. */
  const resolved = ([word, ...values]: Action): Action =>
    [word, ...values.map((value) => (value === 'OTHER' ? other : value))] as unknown as Action;

  it.each(SCENARIOS.map((scenario) => [describeScenario(scenario), scenario] as const))(
    '%s',
    async (_name, scenario) => {
      const { function: name, first, count, action, errorClass, during, algorithm } = scenario;
      if (errorClass !== 'behaviour') {
        expect(errorClassOf(Number(action[1]), name)).toBe(errorClass);
      }
      const rule = { function: name, first, count, action: resolved(action) };
      const report = await bed.run(during, [rule], algorithm);
      expect(report.counts.fired).toBeGreaterThan(0);
      expect(report.outcomes.wrong).toBeUndefined();
      expect(report.recoveredInMs).toBeLessThan(RECOVERY_MS);
      expectAsExpected(report, scenario);
    },
  );
});

function expectAsExpected(report: Report, { expected, alarms, during }: Scenario): void {
  const { outcomes, workersStarted, counts, broken } = report;
  const calls = during === 'sign' ? 8 : 1;
  if (expected.startsWith('broken: ')) {
    expect(broken?.kind).toBe(expected.slice('broken: '.length));
    return;
  }
  expect(broken).toBeUndefined();
  if (alarms !== undefined) expect(report.signaturesRejected).toBe(alarms);
  switch (expected) {
    case 'served':
      expect(outcomes).toEqual({ served: calls });
      expect(workersStarted).toBe(0);
      return;
    case 'replaced':
      expect(outcomes).toEqual({ served: calls });
      expect(workersStarted).toBe(1);
      return;
    case 'healed':
      expect(outcomes).toEqual({ served: calls });
      expect(workersStarted).toBe(2);
      return;
    case 'refused': {
      const served = calls - counts.fired;
      expect(outcomes).toEqual({
        'request-refused': counts.fired,
        ...(served === 0 ? {} : { served }),
      });
      expect(workersStarted).toBe(0);
      return;
    }
    default:
      expect(outcomes).toEqual({ unavailable: calls });
      expect(workersStarted).toBeGreaterThan(0);
  }
}
