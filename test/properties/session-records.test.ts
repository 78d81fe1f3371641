/**
 * Records over a network that does everything a host can do. Here some thousand; the long form is
 * `npm run campaign -- session-records --minutes N --seed S`.
 */
import process from 'node:process';
import { expect, test } from 'vitest';
import { campaignMinutes, campaignPatienceMs, campaignSeed } from '../support/campaign.ts';
import { seededRandom } from '../support/random.ts';
import { SessionNetwork, type Counts } from '../support/session-network.ts';

const SESSIONS = 2;
const STEPS_OF_RUN = 60_000;

/** Every outcome is the one of the rules. */
function run(seed: number, steps: number): Counts {
  const network = new SessionNetwork(seededRandom(seed), SESSIONS);
  for (let i = 0; i < steps; i += 1) {
    const verdict = network.step();
    if (verdict !== undefined && verdict.outcome !== verdict.must) {
      expect.fail(
        `seed ${String(seed)}, step ${String(i)}: ${verdict.outcome}, must be ${verdict.must}`,
      );
    }
  }
  return network.counts;
}

test.skipIf(campaignMinutes > 0)('no record is accepted, or refused, against the rules', () => {
  const { refused, accepted } = run(campaignSeed, STEPS_OF_RUN);
  expect(accepted).toBeGreaterThan(STEPS_OF_RUN / 6);
  // Everything that the network can do has happened, or the run proves nothing.
  const happened = [
    'aead',
    'direction',
    'in-reply-to',
    'length',
    'replayed',
    'session',
    'sequence',
  ];
  happened.push('stream-closed', 'stream-order', 'streams', 'too-old', 'version');
  expect(Object.keys(refused)).toEqual(expect.arrayContaining(happened));
});

test.runIf(campaignMinutes > 0)(
  'no record is accepted, or refused, against the rules, for long',
  () => {
    const endMs = Date.now() + campaignMinutes * 60_000;
    const total = { sealed: 0, delivered: 0, accepted: 0 };
    for (let seed = campaignSeed; Date.now() < endMs; seed += 1) {
      const counts = run(seed, STEPS_OF_RUN);
      total.sealed += counts.sealed;
      total.delivered += counts.delivered;
      total.accepted += counts.accepted;
    }
    process.stdout.write(
      `campaign: ${String(total.sealed)} records sealed, ${String(total.delivered)} delivered, ${String(total.accepted)} accepted, none out of rule\n`,
    );
    expect(total.accepted).toBeGreaterThan(0);
  },
  campaignPatienceMs,
);
