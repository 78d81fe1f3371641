/** What `npm run campaign` asks of a test; without it the test is its short form. */
import { randomInt } from 'node:crypto';
import process from 'node:process';

/** 0 in CI. */
export const campaignMinutes = Number(process.env['CAMPAIGN_MINUTES'] ?? 0);
export const campaignSeed = Number(process.env['CAMPAIGN_SEED'] ?? randomInt(1, 2 ** 31));

/** For vitest: what a campaign may take beside its minutes, on a machine that does other things too. */
export const campaignPatienceMs = campaignMinutes * 60_000 + 900_000;
