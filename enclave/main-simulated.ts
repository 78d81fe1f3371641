/** Entry on the simulated platform: the only one that can reach `platform/simulated`. */
import process from 'node:process';
import { openTokenModule } from './hsm/pool.ts';
import { inheritedStream } from './io/inherited-stream.ts';
import { SimulatedPlatform } from './platform/simulated/attester.ts';
import { PlatformChannel } from './platform/simulated/channel.ts';
import { receiveLaunch } from './platform/simulated/launch.ts';
import { run } from './run.ts';

const PLATFORM_FD = 3;
/** sysexits.h EX_UNAVAILABLE: the platform is gone or speaks something else. */
const EXIT_NO_PLATFORM = 69;

async function main(): Promise<void> {
  const channel = new PlatformChannel(inheritedStream(PLATFORM_FD), () => {
    process.exit(EXIT_NO_PLATFORM);
  });
  const launch = await receiveLaunch(channel);
  await run({
    platform: new SimulatedPlatform(channel, launch),
    tokens: openTokenModule({
      command: launch.workerCommand,
      environment: launch.workerEnvironment,
      modulePath: launch.modulePath,
      size: launch.workers,
    }),
    linkSocket: launch.linkSocket,
  });
}

void main();
