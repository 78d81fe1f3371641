/**
 * A stand-in for the enclave in tests of the platform: it speaks the private channel and tells on its link
 * socket what it saw. Bundled like the enclave, measured like the enclave.
 */
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import process from 'node:process';
import { inheritedStream } from '../../enclave/io/inherited-stream.ts';
import { SimulatedPlatform } from '../../enclave/platform/simulated/attester.ts';
import { PlatformChannel } from '../../enclave/platform/simulated/channel.ts';
import { receiveLaunch, type CheckedLaunch } from '../../enclave/platform/simulated/launch.ts';

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

const channel = new PlatformChannel(inheritedStream(3), () => {
  process.exit(3);
});

function evalWorks(): boolean {
  try {
    // eslint-disable-next-line @typescript-eslint/no-implied-eval, @typescript-eslint/no-unsafe-call -- that this is refused is what is tested
    return Function('return true')() as boolean;
  } catch {
    return false;
  }
}

async function report(launch: CheckedLaunch): Promise<string> {
  const platform = new SimulatedPlatform(channel, launch);
  const reportData = Uint8Array.from({ length: 64 }, (_, i) => i);
  // Raw calls, to ask what the ports would never ask.
  const refused = await channel
    .call({ $case: 'deriveSecret', value: { label: 'other/v1' } })
    .then(() => 'answered')
    .catch(() => 'refused');
  const shortReport = await channel
    .call({ $case: 'quote', value: { reportData: new Uint8Array(63) } })
    .then(() => 'answered')
    .catch(() => 'refused');
  const mapped = readFileSync('/proc/self/maps', 'latin1')
    .split('\n')
    .map((line) => line.slice(73))
    .filter((path) => path.startsWith('/'));
  return JSON.stringify({
    environment: Object.keys(process.env),
    mapped: [...new Set(mapped)],
    quote: hex(await platform.quote(reportData)),
    boot: hex(await platform.deriveSecret('boot/v1')),
    root: hex(await platform.deriveSecret('root/v1')),
    refused,
    shortReport,
    measurements: platform.identity.measurements.map(hex),
    platformId: hex(platform.identity.platformId),
    endorsements: platform.endorsements.map(hex),
    manifest: Buffer.from(launch.launchManifest).toString('utf8'),
    workerCommand: launch.workerCommand,
    workerEnvironment: launch.workerEnvironment,
    modulePath: launch.modulePath,
    evalWorks: evalWorks(),
  });
}

process.stdout.write('this line must not come out of the platform\n');

// CommonJS knows no top-level await.
void receiveLaunch(channel).then((launch) => {
  createServer((socket) => {
    void report(launch).then((text) => socket.end(text));
  }).listen(launch.linkSocket);
});
