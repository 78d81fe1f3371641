/**
 * A headless Chromium over the DevTools protocol, with Node's own WebSocket: no driver, no package. It has a profile
 * of its own and talks to nobody but the test.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** Debian's. */
export const CHROMIUM = '/usr/bin/chromium';

const FLAGS = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--disable-dev-shm-usage',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--remote-debugging-port=0',
];
const START_PATIENCE_MS = 60_000;
const STOP_PATIENCE_MS = 5_000;

interface Answer {
  readonly id?: number;
  readonly result?: Readonly<Record<string, unknown>>;
  readonly error?: { readonly message: string };
}

interface Evaluated {
  readonly result: { readonly value?: unknown };
  readonly exceptionDetails?: unknown;
}

export class Chromium {
  readonly #process: ChildProcess;
  readonly #profile: string;
  readonly #pages: Server;
  #socket: WebSocket | undefined;
  #nextId = 1;
  readonly #waiting = new Map<number, (answer: Answer) => void>();

  private constructor(process: ChildProcess, profile: string, pages: Server) {
    this.#process = process;
    this.#profile = profile;
    this.#pages = pages;
  }

  static async start(): Promise<Chromium> {
    const profile = mkdtempSync(join(tmpdir(), 'sealwright-chromium-'));
    const child = spawn(CHROMIUM, [...FLAGS, `--user-data-dir=${profile}`, 'about:blank'], {
      stdio: 'ignore',
      // Crash reports and caches go into the profile, too.
      env: { ...process.env, HOME: profile, XDG_CONFIG_HOME: profile, XDG_CACHE_HOME: profile },
    });
    // Web Crypto exists in secure contexts only, which 127.0.0.1 is and about:blank is not.
    const pages = createServer((_, response) => {
      response.setHeader('content-type', 'text/html').end('<!doctype html><title>test</title>');
    }).listen(0, '127.0.0.1');
    const browser = new Chromium(child, profile, pages);
    try {
      if (!pages.listening) await once(pages, 'listening');
      await browser.#connect();
    } catch (error) {
      await browser.stop();
      throw error;
    }
    return browser;
  }

  async #connect(): Promise<void> {
    const file = join(this.#profile, 'DevToolsActivePort');
    const end = Date.now() + START_PATIENCE_MS;
    let [port, path] = ['', ''];
    while (path === '') {
      if (Date.now() > end || this.#process.exitCode !== null) {
        throw new Error('Chromium does not start');
      }
      await sleep(50);
      if (existsSync(file)) [port = '', path = ''] = readFileSync(file, 'utf8').split('\n');
    }
    const socket = new WebSocket(`ws://127.0.0.1:${port}${path}`);
    await new Promise((resolve, reject) => {
      socket.onopen = resolve;
      socket.onerror = reject;
    });
    socket.onmessage = ({ data }) => {
      const answer = JSON.parse(String(data)) as Answer;
      this.#waiting.get(answer.id ?? 0)?.(answer);
    };
    this.#socket = socket;
  }

  async #call(method: string, params: object, sessionId?: string): Promise<object> {
    const id = this.#nextId;
    this.#nextId += 1;
    const session = sessionId === undefined ? {} : { sessionId };
    const answer = await new Promise<Answer>((resolve) => {
      this.#waiting.set(id, resolve);
      this.#socket?.send(JSON.stringify({ id, method, params, ...session }));
    });
    this.#waiting.delete(id);
    if (answer.result === undefined) {
      throw new Error(`${method}: ${answer.error?.message ?? 'no answer'}`);
    }
    return answer.result;
  }

  /** Runs scripts one after the other in a fresh page; the value of the last one, awaited. */
  async run(...scripts: readonly string[]): Promise<unknown> {
    const { port } = this.#pages.address() as AddressInfo;
    const url = `http://127.0.0.1:${String(port)}/`;
    const { targetId } = (await this.#call('Target.createTarget', { url })) as {
      targetId: string;
    };
    const { sessionId } = (await this.#call('Target.attachToTarget', {
      targetId,
      flatten: true,
    })) as { sessionId: string };
    const evaluate = async (expression: string): Promise<Evaluated> => {
      const params = { expression, awaitPromise: true, returnByValue: true };
      return (await this.#call('Runtime.evaluate', params, sessionId)) as Evaluated;
    };
    // The target is there before its page is.
    const isLoaded = "isSecureContext && document.title === 'test'";
    while ((await evaluate(isLoaded)).result.value !== true) await sleep(20);
    let value: unknown;
    for (const script of scripts) {
      const { result, exceptionDetails } = await evaluate(script);
      if (exceptionDetails !== undefined) throw new Error(JSON.stringify(exceptionDetails));
      value = result.value;
    }
    return value;
  }

  async stop(): Promise<void> {
    this.#socket?.close();
    this.#pages.close();
    this.#pages.closeAllConnections();
    if (this.#process.exitCode === null && this.#process.signalCode === null) {
      const ended = once(this.#process, 'exit');
      this.#process.kill('SIGTERM');
      const patience = setTimeout(() => this.#process.kill('SIGKILL'), STOP_PATIENCE_MS);
      await ended;
      clearTimeout(patience);
    }
    rmSync(this.#profile, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  }
}
