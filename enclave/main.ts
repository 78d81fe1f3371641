/**
 * Entry on real platforms: one row each, first match runs. The table is empty in this release
 * (docs/ARCHITECTURE.md, "Platforms"), and an entry that finds no platform refuses to run: no switch
 * turns it into the simulated one.
 */
import process from 'node:process';
import { run, type Launched } from './run.ts';

/** Resolves with what the platform gave us, or undefined when this machine is not that platform. */
type PlatformLaunch = () => Promise<Launched | undefined>;

const PLATFORMS: Readonly<Record<string, PlatformLaunch>> = {};

/** sysexits.h EX_CONFIG. */
const EXIT_NO_PLATFORM = 78;

async function main(): Promise<void> {
  for (const launch of Object.values(PLATFORMS)) {
    const launched = await launch();
    if (launched !== undefined) {
      await run(launched);
      return;
    }
  }
  process.exit(EXIT_NO_PLATFORM);
}

void main();
