/**
 * A part of the sweep over all codes, in an order that a seed decides; as a campaign
 * (`npm run campaign -- pkcs11 --minutes N --seed S`) as much of it as the minutes allow.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { campaignMinutes, campaignPatienceMs, campaignSeed } from '../support/campaign.ts';
import { FaultBed, OPERATIONS, type Operation } from '../support/fault-bed.ts';
import { allSamples, problemOf, shuffled } from '../support/fault-sweep.ts';
import { CKR } from '../support/pkcs11-codes.ts';
import { shimIsMissing, type Counts } from '../support/pkcs11-shim.ts';

const SAMPLES_IN_CI = 40;
const REPORT_EVERY_MS = 60_000;

describe.skipIf(shimIsMissing())('any code from any function', () => {
  let bed: FaultBed;
  beforeAll(async () => {
    bed = new FaultBed();
    await bed.begin();
  });
  afterAll(() => bed.end());

  it(
    `costs what its class costs (seed ${String(campaignSeed)})`,
    { timeout: campaignPatienceMs },
    async () => {
      const counts = new Map<Operation, Counts>();
      for (const operation of OPERATIONS) {
        const { counts: clean, outcomes } = await bed.run(operation, []);
        expect(Object.keys(outcomes), operation).toEqual(['served']);
        counts.set(operation, clean);
      }
      const all = shuffled(allSamples(counts), campaignSeed);
      const end = performance.now() + campaignMinutes * 60_000;
      const problems: string[] = [];
      let done = 0;
      let slowestMs = 0;
      let reportAt = performance.now() + REPORT_EVERY_MS;
      for (const sample of all) {
        if (campaignMinutes > 0 ? performance.now() > end : done === SAMPLES_IN_CI) break;
        const { operation, function: name, code, call } = sample;
        const rule = {
          function: name,
          first: call,
          count: 1,
          action: ['rv', CKR[code][0]],
        } as const;
        const report = await bed.run(operation, [rule]);
        slowestMs = Math.max(slowestMs, report.recoveredInMs);
        const problem = problemOf(sample, report);
        if (problem !== undefined) {
          problems.push(`${operation}, ${name} call ${String(call)}, ${code}: ${problem}`);
        }
        done += 1;
        if (performance.now() > reportAt) {
          process.stdout.write(
            `${String(done)} of ${String(all.length)}, ${String(problems.length)} problems\n`,
          );
          reportAt += REPORT_EVERY_MS;
        }
      }
      process.stdout.write(
        `${String(done)} of ${String(all.length)} scenarios, slowest recovery ${slowestMs.toFixed(0)} ms\n`,
      );
      expect(problems).toEqual([]);
    },
  );
});
