/**
 * Host and enclave as two processes that a test kills and starts as it likes: a supervisor would wait longer and
 * longer between starts. Everything is real: the measured launch, SoftHSM, TLS.
 */
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { SignedJsonObject } from '../../enclave/wire/signed-json.ts';
import { devGenesis } from '../../src/simulator/dev-genesis.ts';
import { devParties } from '../../src/simulator/dev-policy.ts';
import { SealwrightClient } from '../../src/client/client.ts';
import { ensureDevPki, type DevPki } from '../../src/simulator/dev-pki.ts';
import { defaultPlatformConfig } from '../../src/simulator/platform-config.ts';
import { HostProcess } from './host-harness.ts';
import type { Readable } from './log-reader.ts';
import { PlatformProcess } from './platform-process.ts';
import type { SmallDisk } from './small-disk.ts';

export const RING = 'signer';
const CALLER = 'alice';
const POLICY = {
  rings: [
    {
      name: RING,
      algorithm: 'ES256',
      residency: 'enclave',
      payload: { kind: 'message' },
      lowestRank: 'mtls',
      acceptHostAsserted: 'development on the simulated platform',
      callers: [CALLER],
    },
  ],
} as const;

const FAULTY_DISK = fileURLToPath(new URL('./faulty-disk.ts', import.meta.url));
const COMPILE_CACHE = fileURLToPath(new URL('../../build/compile-cache', import.meta.url));
const PATIENCE_MS = 30_000;

export interface Readiness {
  readonly phase: string;
  readonly haltReason?: string;
}

export interface KillStackOptions {
  /** Folder of the enclave's bundles (scripts/build-enclave.ts); those of the clone without. */
  readonly bundles?: string;
  /** Puts something under the log's folder, which is there and empty. */
  readonly logDisk?: (folder: string) => Promise<SmallDisk>;
  /** Members of the first policy; one ring of residency enclave without. */
  readonly policy?: SignedJsonObject;
  /** Makes another PKCS#11 module in this folder, with the settings of SoftHSM; its path. */
  readonly module?: (folder: string) => string;
}

export class KillStack implements Readable {
  readonly folder = mkdtempSync('/tmp/sw-kill-');
  readonly #pki: DevPki;
  readonly #platform: PlatformProcess;
  #host: HostProcess | undefined;
  #listen = '127.0.0.1:0';
  #http = '127.0.0.1:0';
  #enclavePid = 0;

  #logDisk: SmallDisk | undefined;

  private constructor({ bundles: otherBundles, module }: KillStackOptions) {
    this.#pki = ensureDevPki({ folder: this.#path('pki'), clients: [CALLER] });
    const { folder } = this;
    const linkSocket = this.#path('link');
    const config = defaultPlatformConfig({
      stateFolder: folder,
      create: true,
      linkSocket,
      ...(module === undefined ? {} : { module: module(folder) }),
    });
    // Bundles of its own: a build that runs meanwhile must not look like another enclave.
    const bundles = this.#path('bundles');
    cpSync(otherBundles ?? config.bundles, bundles, { recursive: true });
    this.#platform = new PlatformProcess({ ...config, bundles, workers: 1 });
  }

  /** A new cluster, serving. */
  static async start(options: KillStackOptions = {}): Promise<KillStack> {
    const stack = new KillStack(options);
    try {
      if (options.logDisk !== undefined) {
        mkdirSync(stack.logFolder);
        stack.#logDisk = await options.logDisk(stack.logFolder);
      }
      await stack.startEnclave();
      await stack.startHost();
      await stack.#until((ready) => ready?.phase === 'SETUP');
      const client = stack.client();
      const parties = devParties(stack.#path('admin'), stack.#pki, []);
      await devGenesis(client, parties, options.policy ?? POLICY).finally(() => {
        client.close();
      });
      await stack.serving();
      return stack;
    } catch (error) {
      await stack.close();
      throw error;
    }
  }

  #path(name: string): string {
    return join(this.folder, name);
  }

  get logFolder(): string {
    return this.#path('log');
  }

  get storeFile(): string {
    return this.#path('store.db');
  }

  /** What the host says on stderr. */
  get host(): HostProcess {
    if (this.#host === undefined) throw new Error('no host runs');
    return this.#host;
  }

  get ready(): Readable['ready'] {
    const alice = this.#pki.clients['alice'];
    if (alice === undefined) throw new Error('no certificate');
    const { cert, key } = alice;
    return { address: this.#listen, http: this.#http, ca: this.#pki.ca, cert, key };
  }

  client(): SealwrightClient {
    const { address, ca, cert, key } = this.ready;
    const [caPem, certPem, keyPem] = [ca, cert, key].map((path) => readFileSync(path)) as [
      Buffer,
      Buffer,
      Buffer,
    ];
    return new SealwrightClient({ kind: 'tls', address, ca: caPem, cert: certPem, key: keyPem });
  }

  /** Makes the log's disk fail, or be well again. */
  disk(fault: 'full' | 'short' | 'broken' | 'well'): void {
    if (fault === 'well') rmSync(this.#path('disk'), { force: true });
    else writeFileSync(this.#path('disk'), fault);
  }

  /** The enclave as it was started last. */
  get enclavePid(): number {
    return this.#enclavePid;
  }

  /** Where SoftHSM keeps its tokens. */
  get tokenFolder(): string {
    return this.#path('token');
  }

  async startHost(): Promise<void> {
    const file = this.#path('host.json');
    const config = {
      listen: this.#listen,
      http: this.#http,
      tls: {
        certFile: this.#pki.server.cert,
        keyFile: this.#pki.server.key,
        clientCaFile: this.#pki.ca,
      },
      storeFile: this.storeFile,
      enclaveSocket: this.#path('link'),
      drainSeconds: 5,
    };
    writeFileSync(file, JSON.stringify(config));
    // Half of a host's start is TypeScript that was stripped before.
    const env = { SEALWRIGHT_TEST_DISK: this.#path('disk'), NODE_COMPILE_CACHE: COMPILE_CACHE };
    const launcher = this.#logDisk?.launcher ?? [];
    this.#host = await new HostProcess(file, { file: FAULTY_DISK, env }, launcher).ready();
    // Later lives take the addresses of the first.
    this.#listen = this.#host.grpc.replace('127.0.0.1', 'localhost');
    this.#http = this.#host.http;
  }

  async startEnclave(): Promise<void> {
    // A killed enclave leaves its socket's name behind.
    rmSync(this.#path('link'), { force: true });
    this.#enclavePid = (await this.#platform.start()).pid;
  }

  async killHost(): Promise<void> {
    await this.host.stop('SIGKILL');
  }

  /** Ends the host well: it drains, and the enclave writes the log's head. */
  async stopHost(): Promise<void> {
    await this.host.stop();
  }

  async killEnclave(): Promise<void> {
    process.kill(this.#enclavePid, 'SIGKILL');
    await this.#platform.next('exited');
  }

  /** Kills both, changes what they left, and starts both. */
  async between(change: () => void | Promise<void>): Promise<void> {
    await Promise.all([this.killHost(), this.killEnclave()]);
    await change();
    await Promise.all([this.startHost(), this.startEnclave()]);
  }

  async readiness(): Promise<Readiness | undefined> {
    try {
      return (await this.host.readyz()).body as unknown as Readiness;
    } catch {
      return undefined;
    }
  }

  /** Resolves when calls are answered; rejects at once when the enclave halted. */
  async serving(): Promise<void> {
    await this.#until((ready) => {
      if (ready?.phase === 'HALTED') throw new Error(`halted: ${JSON.stringify(ready)}`);
      return ready?.phase === 'SERVING';
    });
  }

  /** Resolves with the reason of the halt. The host asks once a second, so SERVING may be old news. */
  async halted(): Promise<string> {
    const ready = await this.#until((now) => now?.phase === 'HALTED');
    return ready?.haltReason ?? '';
  }

  async #until(done: (ready: Readiness | undefined) => boolean): Promise<Readiness | undefined> {
    const end = Date.now() + PATIENCE_MS;
    for (;;) {
      const ready = await this.readiness();
      if (done(ready)) return ready;
      if (Date.now() > end) throw new Error(`waited in vain: ${JSON.stringify(ready)}`);
      await sleep(15);
    }
  }

  async close(): Promise<void> {
    await this.#host?.stop('SIGKILL');
    await this.#platform.close();
    await this.#logDisk?.close();
    if (existsSync(this.folder)) rmSync(this.folder, { recursive: true, force: true });
  }
}
