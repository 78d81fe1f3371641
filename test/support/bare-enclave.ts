/** The enclave's bundle, started by a test that plays its platform: with an environment and flags of the test's choice. */
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { u32 } from '../../enclave/wire/bytes.ts';
import { PlatformMessage } from '../../enclave/wire/gen/sealwright/enclave/v1/platform.ts';
import { canonicalize } from '../../enclave/wire/signed-json.ts';
import { DEFAULT_SUITE } from '../../src/simulator/defaults.ts';
import { NODE_FLAGS } from '../../src/simulator/launch-manifest.ts';
import { EmptyHost } from './empty-host.ts';

const BUNDLE = fileURLToPath(new URL('../../build/enclave/main-simulated.cjs', import.meta.url));

export interface BareLaunch {
  readonly env?: Readonly<Record<string, string>>;
  /** Node's flags; the manifest always names those of a release. */
  readonly flags?: readonly string[];
  readonly requiredHardening?: readonly string[];
}

export class BareEnclave {
  readonly #folder = mkdtempSync('/tmp/sw-bare-');
  readonly #child: ChildProcess;

  constructor({ env = {}, flags = NODE_FLAGS, requiredHardening = [] }: BareLaunch) {
    this.#child = spawn(process.execPath, [...flags, BUNDLE], {
      env,
      stdio: ['ignore', 'ignore', 'ignore', 'pipe'],
    });
    const launch = PlatformMessage.encode({
      message: {
        $case: 'launch',
        value: {
          measurements: [0, 1, 2].map(() => new Uint8Array(48)),
          svn: 1,
          platformId: new Uint8Array(32),
          linkSocket: this.#socket,
          workerCommand: ['/bin/false'],
          workerEnvironment: {},
          modulePath: '/bin/false',
          workers: 1,
          launchManifest: canonicalize({
            nodeFlags: [...NODE_FLAGS],
            moduleEnvironment: {},
            suite: DEFAULT_SUITE,
          }),
          endorsements: [Uint8Array.of(0x30)],
          requiredHardening: [...requiredHardening],
        },
      },
    }).finish();
    const channel = this.#child.stdio[3] as Duplex;
    channel.on('error', () => undefined);
    channel.write(u32(launch.byteLength));
    channel.write(launch);
  }

  get #socket(): string {
    return join(this.#folder, 'link');
  }

  meet(): Promise<EmptyHost> {
    return EmptyHost.meet(this.#socket);
  }

  close(): void {
    this.#child.kill('SIGKILL');
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
