/**
 * A service as it is measured: the host of this clone, and an enclave of the given bundles on the simulated platform and
 * SoftHSM, in a folder of its own. `dev` can't serve here: it starts the released bundles only.
 */
import type { ChildProcessWithoutNullStreams } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import type { SignedJsonObject } from '../../enclave/wire/signed-json.ts';
import { devGenesis } from '../../src/simulator/dev-genesis.ts';
import { devParties } from '../../src/simulator/dev-policy.ts';
import { SealwrightClient } from '../../src/client/client.ts';
import { HOST_FLAGS } from '../../src/host/process-flags.ts';
import { Phase } from '../../src/gen/sealwright/v1/status.ts';
import { ensureDevPki } from '../../src/simulator/dev-pki.ts';
import { defaultPlatformConfig } from '../../src/simulator/platform-config.ts';
import type { PlatformEvent } from '../../src/simulator/platform-control.ts';
import { childrenOf, ended, spawnNode } from './child.ts';
import type { Target } from './http2-caller.ts';

/** One ring of each residency. */
export const RINGS = { enclave: 'bench-enclave', hsm: 'bench-hsm' } as const;

const CALLER = 'bench';

const ring = (residency: keyof typeof RINGS): SignedJsonObject => ({
  name: RINGS[residency],
  algorithm: 'ES256',
  residency,
  payload: { kind: 'message' },
  lowestRank: 'mtls',
  acceptHostAsserted: 'a benchmark on the simulated platform',
  callers: [CALLER],
});

const POLICY = { rings: [ring('enclave'), ring('hsm')] };
const PATIENCE_MS = 60_000;

export interface StackOptions {
  /** Folder of the enclave's bundles; those of the clone without. */
  readonly bundles?: string;
  /** Node's own flags of the host, such as --cpu-prof. */
  readonly hostFlags?: readonly string[];
}

export class BenchStack {
  readonly folder = mkdtempSync('/tmp/sw-bench-');
  readonly #pki = ensureDevPki({ folder: join(this.folder, 'pki'), clients: [CALLER] });
  readonly #children: ChildProcessWithoutNullStreams[] = [];
  #enclavePid = 0;
  #hostPid = 0;
  #port = 0;

  static async start(options: StackOptions = {}): Promise<BenchStack> {
    const stack = new BenchStack();
    try {
      await stack.#startEnclave(options.bundles);
      await stack.#startHost(options.hostFlags);
      const client = stack.client();
      await stack.#phase(client, Phase.PHASE_SETUP);
      const parties = devParties(join(stack.folder, 'admin'), stack.#pki, []);
      await devGenesis(client, parties, POLICY);
      await stack.#phase(client, Phase.PHASE_SERVING);
      client.close();
      return stack;
    } catch (error) {
      await stack.stop();
      throw error;
    }
  }

  get target(): Target {
    const { cert = '', key = '' } = this.#pki.clients[CALLER] ?? {};
    const [caPem, certPem, keyPem] = [this.#pki.ca, cert, key].map((path) => readFileSync(path));
    if (caPem === undefined || certPem === undefined || keyPem === undefined) throw new Error();
    return { host: '127.0.0.1', port: this.#port, ca: caPem, cert: certPem, key: keyPem };
  }

  /** Certificate and key of a server that this stack's callers believe. PEM. */
  get server(): { readonly cert: Uint8Array; readonly key: Uint8Array } {
    const { cert, key } = this.#pki.server;
    return { cert: readFileSync(cert), key: readFileSync(key) };
  }

  /** Process ids by what they are. */
  get pids(): Readonly<Record<'host' | 'enclave' | 'workers', readonly number[]>> {
    return {
      host: [this.#hostPid],
      enclave: [this.#enclavePid],
      workers: childrenOf(this.#enclavePid),
    };
  }

  client(): SealwrightClient {
    const { port, ca, cert, key } = this.target;
    return new SealwrightClient({
      kind: 'tls',
      address: `localhost:${String(port)}`,
      ca,
      cert,
      key,
    });
  }

  async stop(): Promise<void> {
    // Host first: it says goodbye to the enclave. The platform ends its enclave when its stdin ends.
    for (const child of this.#children.toReversed()) {
      child.stdin.end();
      child.kill('SIGTERM');
      await ended(child);
    }
    rmSync(this.folder, { recursive: true, force: true });
  }

  async #startEnclave(bundles?: string): Promise<void> {
    const state = join(this.folder, 'state');
    mkdirSync(state, { mode: 0o700 });
    const linkSocket = join(this.folder, 'link');
    const standard = defaultPlatformConfig({ stateFolder: state, create: true, linkSocket });
    const file = join(this.folder, 'platform.json');
    writeFileSync(file, JSON.stringify({ ...standard, bundles: bundles ?? standard.bundles }));
    const child = spawnNode('../../src/simulator/platform-main.ts', ['--config', file]);
    this.#children.push(child);
    child.stdin.write(`${JSON.stringify({ id: 1, command: 'start' })}\n`);
    this.#enclavePid = await firstLine(child, (line) => {
      const event = JSON.parse(line) as PlatformEvent;
      if (event.event === 'failed' || event.event === 'fatal') throw new Error(event.message);
      return event.event === 'started' ? event.pid : undefined;
    });
  }

  async #startHost(flags: readonly string[] = []): Promise<void> {
    const { server, ca } = this.#pki;
    const file = join(this.folder, 'host.json');
    const config = {
      tls: { certFile: server.cert, keyFile: server.key, clientCaFile: ca },
      storeFile: join(this.folder, 'store.sqlite'),
      enclaveSocket: join(this.folder, 'link'),
    };
    writeFileSync(file, JSON.stringify(config));
    const child = spawnNode('../../src/host/main.ts', ['--config', file], {
      flags: [...HOST_FLAGS, ...flags],
    });
    this.#children.push(child);
    this.#hostPid = child.pid ?? 0;
    // What it says of itself is for an operator; a pipe that nobody empties would stop it.
    child.stderr.resume();
    const address = await firstLine(child, (line) => {
      const { listening } = JSON.parse(line) as { listening: { grpc: string } };
      return listening.grpc;
    });
    this.#port = Number(address.slice(address.lastIndexOf(':') + 1));
  }

  async #phase(client: SealwrightClient, wanted: Phase): Promise<void> {
    const end = performance.now() + PATIENCE_MS;
    for (;;) {
      const { phase, haltReason } = await client.getStatus({ waitForReady: true });
      if (phase === wanted) return;
      if (haltReason !== '' || performance.now() > end)
        throw new Error(`phase ${String(phase)} ${haltReason}`);
      await sleep(20);
    }
  }
}

/** What `read` makes of the first line of stdout for which it is anything. Rejects when the process ends before. */
function firstLine<T>(
  child: ChildProcessWithoutNullStreams,
  read: (line: string) => T | undefined,
): Promise<T> {
  return new Promise((resolve, reject) => {
    createInterface({ input: child.stdout }).on('line', (line) => {
      try {
        const found = read(line);
        if (found !== undefined) resolve(found);
      } catch (error) {
        reject(error instanceof Error ? error : new Error(String(error)));
      }
    });
    child.once('exit', (code) => {
      reject(new Error(`${child.spawnargs.at(-3) ?? ''} ended with ${String(code)}`));
    });
  });
}
