/**
 * Entry of the benchmark: the simulated enclave with `chained` release (docs/spec/log.md). No release holds it, and no
 * policy, variable or option turns a release into it.
 */
import { launchedBySimulator } from '../../../enclave/launch-simulated.ts';
import { LinkLogStore } from '../../../enclave/io/log-store.ts';
import { run } from '../../../enclave/run.ts';
import { ChainedLogStore } from './chained-log-store.ts';

async function main(): Promise<void> {
  await run(await launchedBySimulator(), (links) => new ChainedLogStore(new LinkLogStore(links)));
}

void main();
