/** What the simulated platform gave us, as every entry on it starts from. */
import process from 'node:process';
import { openTokenModule } from './hsm/pool.ts';
import { inheritedStream } from './io/inherited-stream.ts';
import { LinuxProcess } from './io/own-process.ts';
import { SimulatedPlatform } from './platform/simulated/attester.ts';
import { PlatformChannel } from './platform/simulated/channel.ts';
import { receiveLaunch } from './platform/simulated/launch.ts';
import type { Launched } from './run.ts';

const PLATFORM_FD = 3;
/** sysexits.h EX_UNAVAILABLE: the platform is gone or speaks something else. */
const EXIT_NO_PLATFORM = 69;

/** Waits for the platform's first message. The process ends when the platform is gone. */
export async function launchedBySimulator(): Promise<Launched> {
  const channel = new PlatformChannel(inheritedStream(PLATFORM_FD), () => {
    process.exit(EXIT_NO_PLATFORM);
  });
  const launch = await receiveLaunch(channel);
  return {
    platform: new SimulatedPlatform(channel, launch),
    tokens: openTokenModule({
      command: launch.workerCommand,
      environment: launch.workerEnvironment,
      modulePath: launch.modulePath,
      size: launch.workers,
    }),
    linkSocket: launch.linkSocket,
    process: new LinuxProcess(launch),
    suite: launch.suite,
  };
}
