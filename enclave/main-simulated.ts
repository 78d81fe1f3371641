/** Entry on the simulated platform: the only one that can reach `platform/simulated`. */
import { launchedBySimulator } from './launch-simulated.ts';
import { run } from './run.ts';

async function main(): Promise<void> {
  await run(await launchedBySimulator());
}

void main();
