/**
 * Random conversations with random faults against a real enclave: seconds in CI, longer as
 * `npm run campaign -- hostile-frames --minutes N --seed S`.
 */
import { expect, test } from 'vitest';
import { campaignMinutes, campaignPatienceMs, campaignSeed } from '../support/campaign.ts';
import { attacked } from '../support/hostile-host/attacked.ts';
import { Choices } from '../support/hostile-host/choices.ts';
import { FrameFuzzer } from '../support/hostile-host/frame-fuzzer.ts';

const seconds = campaignMinutes > 0 ? campaignMinutes * 60 : 8;
/** An idle enclave has 70; nothing that a fuzzer of small frames does may take much more. */
const MOST_MIB = 300;

const theRig = attacked();

test(
  'random frames and answers close the link when a rule is broken, and do nothing else',
  async () => {
    const rig = theRig();
    const fuzzer = new FrameFuzzer(rig, new Choices(campaignSeed));
    const end = performance.now() + seconds * 1000;
    let peak = 0;
    try {
      while (performance.now() < end) {
        await fuzzer.round();
        peak = Math.max(peak, rig.enclave.memory().peak);
      }
    } catch (error) {
      throw new Error(`seed ${String(campaignSeed)}, round ${String(fuzzer.counts.rounds)}`, {
        cause: error,
      });
    }
    const { intents, released } = rig.host.ledger;
    process.stdout.write(
      `hostile-frames: seed ${String(campaignSeed)}, ${JSON.stringify(fuzzer.counts)}, ` +
        `${String(released)} signatures of ${String(intents)} leaves, at most ${String(peak)} MiB\n`,
    );
    expect(peak).toBeLessThan(MOST_MIB);
    expect(fuzzer.counts.open).toBeGreaterThan(0);
    expect(fuzzer.counts.closed).toBeGreaterThan(0);
    expect(released).toBeGreaterThan(0);
    await rig.servesAgain();
  },
  campaignPatienceMs,
);
