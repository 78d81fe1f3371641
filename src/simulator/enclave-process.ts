/**
 * One running enclave: the process, its private channel, and what the platform answers on it. Only the
 * started process has the other end of the channel.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import type { Duplex, Readable } from 'node:stream';
import { u32 } from '../../enclave/wire/bytes.ts';
import { MessageReader } from '../../enclave/wire/frame.ts';
import {
  PlatformMessage,
  PlatformRequest,
} from '../../enclave/wire/gen/sealwright/enclave/v1/platform.ts';
import type { PreparedLaunch } from './enclave-launch.ts';
import { killGroup } from './platform-lock.ts';
import type { PlatformRoot } from './platform-root.ts';
import { derivePlatformSecret, isSecretLabel } from './platform-secret.ts';
import { REPORT_DATA_BYTES, signQuote } from './quote.ts';

/** A request is an id and at most 64 bytes of report data. */
const MAX_REQUEST_BYTES = 1024;

/** How long an enclave without its channel may take to end. */
const END_MS = 2_000;

export interface EnclaveExit {
  readonly code: number | null;
  readonly signal: string | null;
  /** Bytes that the enclave wrote to stdout and stderr. Counted, never shown: logs leave through the link. */
  readonly outputBytes: number;
}

/** What this enclave's calls are answered from. */
interface Answerer {
  readonly root: PlatformRoot;
  readonly launch: PreparedLaunch;
}

/** The result of one call, or undefined when it is refused. */
function answer({ root, launch }: Answerer, call: PlatformRequest['call']): Uint8Array | undefined {
  const { registers, svn } = launch;
  switch (call?.$case) {
    case 'quote': {
      // A copy: decoded bytes are a view on the channel's buffer.
      const reportData = Uint8Array.from(call.value.reportData);
      if (reportData.byteLength !== REPORT_DATA_BYTES) return undefined;
      const { platformId } = root;
      const statement = { svn, debug: false, platformId, registers, reportData };
      return signQuote(statement, root.attestationKey);
    }
    case 'deriveSecret': {
      const { label } = call.value;
      if (!isSecretLabel(label)) return undefined;
      return derivePlatformSecret(root.rootSecret, registers, svn, label);
    }
    case undefined:
      return undefined;
  }
}

export class EnclaveProcess {
  readonly pid: number;
  readonly exited: Promise<EnclaveExit>;
  readonly #child: ChildProcess;
  readonly #channel: Duplex;
  #outputBytes = 0;

  private constructor(child: ChildProcess, channel: Duplex, pid: number) {
    this.pid = pid;
    this.#child = child;
    this.#channel = channel;
    // `exit`, not `close`: a worker may hold the output pipes a moment longer.
    this.exited = new Promise((resolve) => {
      child.once('exit', (code, signal) => {
        // Its HSM workers hold sessions on the token, which the next enclave must not meet.
        killGroup(pid);
        resolve({ code, signal, outputBytes: this.#outputBytes });
      });
    });
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on('data', (chunk: Uint8Array) => {
        this.#outputBytes += chunk.byteLength;
      });
    }
  }

  /** Starts the prepared copy with an empty environment. Rejects when the kernel refuses to. */
  static async start(
    launch: PreparedLaunch,
    root: PlatformRoot,
    workers: number,
  ): Promise<EnclaveProcess> {
    const [program = '', ...args] = launch.mainCommand;
    const child = spawn(program, args, {
      env: {},
      // A folder that nothing can be written to and that leads nowhere which an own view does not show.
      cwd: '/',
      // A group of its own: a terminal's Ctrl-C must not reach it (it is drained instead), and what it
      // started can be ended with it.
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
    });
    await new Promise<void>((resolve, reject) => {
      child.once('spawn', resolve);
      child.once('error', reject);
    });
    const channel = child.stdio[3] as Duplex & Readable;
    const enclave = new EnclaveProcess(child, channel, child.pid ?? 0);
    enclave.#serve({ root, launch });
    enclave.#send({
      $case: 'launch',
      value: {
        measurements: launch.registers,
        svn: launch.svn,
        platformId: root.platformId,
        linkSocket: launch.linkSocket,
        workerCommand: launch.workerCommand,
        workerEnvironment: { ...launch.workerEnvironment },
        modulePath: launch.modulePath,
        workers,
        launchManifest: launch.launchManifest,
        endorsements: root.endorsements,
        requiredHardening: launch.requiredHardening,
      },
    });
    return enclave;
  }

  /** Asks the enclave to end, and ends it after `graceMs`. */
  async stop(graceMs: number): Promise<EnclaveExit> {
    this.#child.kill('SIGTERM');
    const timer = setTimeout(() => {
      this.kill();
    }, graceMs);
    const exit = await this.exited;
    clearTimeout(timer);
    return exit;
  }

  kill(): void {
    this.#child.kill('SIGKILL');
  }

  #serve(answerer: Answerer): void {
    const reader = new MessageReader(MAX_REQUEST_BYTES);
    let lastId = 0n;
    this.#channel.on('data', (chunk: Uint8Array) => {
      try {
        for (const message of reader.push(chunk)) {
          const { id, call } = PlatformRequest.decode(message);
          if (id !== lastId + 1n) throw new RangeError('call number');
          lastId = id;
          const result = answer(answerer, call);
          this.#send({
            $case: 'response',
            value: {
              id,
              refused: result === undefined,
              result: result ?? new Uint8Array(0),
            },
          });
        }
      } catch {
        // What we started speaks this protocol or it is not what we measured.
        this.kill();
      }
    });
    this.#channel.on('error', () => {
      this.kill();
    });
    // Its end is gone, so it is ending, or it must.
    this.#channel.on('close', () => {
      const timer = setTimeout(() => {
        this.kill();
      }, END_MS);
      timer.unref();
    });
  }

  #send(message: NonNullable<PlatformMessage['message']>): void {
    const bytes = PlatformMessage.encode({ message }).finish();
    this.#channel.write(u32(bytes.byteLength));
    this.#channel.write(bytes);
  }
}
