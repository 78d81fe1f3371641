/**
 * Makes a large log through a real host, and measures it:
 *
 *   sh scripts/run.sh node scripts/make-log.ts --folder DIR --leaves N [--batch 1024]
 *
 * The script stands for the enclave: it appends over the link, and hands over checkpoints of a key of its own. A
 * folder that holds such a log already is only measured.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { join, resolve } from 'node:path';
import process from 'node:process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { credentials } from '@grpc/grpc-js';
import { Refusal } from '../enclave/wire/error-code.ts';
import {
  LogAppendRequest,
  LogCheckpointRequest,
  LogStateResponse,
} from '../enclave/wire/gen/sealwright/enclave/v1/log_store.ts';
import { Link } from '../enclave/wire/link.ts';
import { LOG_METHODS } from '../enclave/wire/methods.ts';
import { parseCheckpoint, parseNote } from '../enclave/wire/tlog-note.ts';
import { LogServiceClient, type GetInclusionProofResponse } from '../src/gen/sealwright/v1/log.ts';
import { ensureDevPki } from '../src/simulator/dev-pki.ts';
import { leafHash, verifyInclusion } from '../src/tlog/merkle.ts';
import { MadeTree, madeLeaf } from './made-log.ts';

const MAIN = fileURLToPath(new URL('../src/host/main.ts', import.meta.url));
const PROOFS = 500;
const PROGRESS_MS = 10_000;

const { values } = parseArgs({
  options: {
    folder: { type: 'string' },
    leaves: { type: 'string' },
    batch: { type: 'string', default: '1024' },
  },
});
const leaves = Number(values.leaves);
const batch = Number(values.batch);
if (values.folder === undefined || !(leaves > 0) || !(batch > 0 && batch <= 1024)) {
  process.stderr.write('usage: make-log.ts --folder DIR --leaves N [--batch 1 to 1024]\n');
  process.exit(64);
}
const folder = resolve(values.folder);
const at = (name: string): string => join(folder, name);
const say = (text: string): void => void process.stdout.write(`${text}\n`);

/** A host whose enclave is this script. */
class MeasuredHost {
  readonly link: Link;
  readonly openMs: number;
  readonly #child: ReturnType<typeof spawn>;

  private constructor(link: Link, openMs: number, child: ReturnType<typeof spawn>) {
    this.link = link;
    this.openMs = openMs;
    this.#child = child;
  }

  static async start(): Promise<MeasuredHost> {
    const pki = ensureDevPki({ folder: at('pki'), clients: ['reader'] });
    const { cert, key } = pki.server;
    const config = {
      unixSockets: [{ path: at('api.sock') }],
      tls: { certFile: cert, keyFile: key, clientCaFile: pki.ca },
      storeFile: at('store.sqlite'),
      enclaveSocket: at('link'),
    };
    writeFileSync(at('host.json'), JSON.stringify(config));
    rmSync(at('link'), { force: true });
    const server = createServer();
    const connected = once(server, 'connection') as Promise<[Socket]>;
    server.listen(at('link'));
    const child = spawn(
      process.execPath,
      ['--disable-warning=ExperimentalWarning', MAIN, '--config', at('host.json')],
      { stdio: ['ignore', 'pipe', 'pipe'] },
    );
    const times = new Map<string, number>();
    createInterface({ input: child.stderr }).on('line', (line) => {
      const { event, ts } = JSON.parse(line) as { event: string; ts: string };
      times.set(event, Date.parse(ts));
      if (event === 'log.damaged' || event === 'log.failed') say(line);
    });
    // One line on stdout: it listens.
    const [[socket]] = await Promise.all([connected, once(child.stdout, 'data')]);
    server.close();
    const link = new Link({
      send: (bytes) => void socket.write(bytes),
      fail: () => socket.destroy(),
      // The host asks for the phase, and gets no answer that it could serve on: nobody calls it.
      handle: () => {
        throw new Refusal('ENCLAVE_NOT_READY');
      },
      onBug: () => undefined,
    });
    socket.on('data', (chunk: Buffer) => {
      link.receive(chunk);
    });
    const openMs = (times.get('log.opened') ?? NaN) - (times.get('store.opened') ?? NaN);
    return new MeasuredHost(link, openMs, child);
  }

  /** Most memory that the process ever had, in MiB. */
  get peakMiB(): number {
    const status = readFileSync(`/proc/${String(this.#child.pid)}/status`, 'utf8');
    return Number(/VmHWM:\s+(\d+)/.exec(status)?.[1]) / 1024;
  }

  async stop(): Promise<void> {
    const ended = once(this.#child, 'exit');
    this.#child.kill('SIGTERM');
    await ended;
  }
}

async function fill(host: MeasuredHost): Promise<void> {
  const { link } = host;
  const state = LogStateResponse.decode(await link.call(LOG_METHODS.state, new Uint8Array(0)));
  if (Number(state.size) === leaves) return;
  if (state.size !== 0n) throw new Error(`${folder} holds a log of ${String(state.size)} leaves`);
  const tree = new MadeTree();
  const begun = performance.now();
  let told = begun;
  while (tree.size < leaves) {
    const firstIndex = tree.size;
    const count = Math.min(batch, leaves - firstIndex);
    const list = Array.from({ length: count }, (_, i) => madeLeaf(firstIndex + i));
    // As long as a real one.
    const sealedEdge = Buffer.alloc(1500, firstIndex % 251);
    const request = { firstIndex: BigInt(firstIndex), leaves: list, sealedEdge };
    const durable = link.call(LOG_METHODS.append, LogAppendRequest.encode(request).finish());
    for (const leaf of list) tree.append(leaf);
    await durable;
    if (performance.now() - told > PROGRESS_MS) {
      told = performance.now();
      say(`${String(tree.size)} leaves, host at most ${host.peakMiB.toFixed(0)} MiB`);
    }
  }
  const checkpoint = tree.checkpoint();
  await link.call(LOG_METHODS.checkpoint, LogCheckpointRequest.encode({ checkpoint }).finish());
  const seconds = (performance.now() - begun) / 1000;
  say(
    `made ${String(leaves)} leaves in ${seconds.toFixed(0)} s: ${(leaves / seconds).toFixed(0)} a second`,
  );
}

function inclusion(client: LogServiceClient, index: number): Promise<GetInclusionProofResponse> {
  return new Promise((resolve, reject) => {
    client.getInclusionProof({ index: BigInt(index), treeSize: 0n }, (error, answer) => {
      if (error === null) resolve(answer);
      else reject(error);
    });
  });
}

async function measureProofs(): Promise<void> {
  const client = new LogServiceClient(`unix:${at('api.sock')}`, credentials.createInsecure());
  const note = await new Promise<string>((resolve, reject) => {
    client.getCheckpoint({}, (error, answer) => {
      if (error === null) resolve(answer.checkpoint);
      else reject(error);
    });
  });
  const { size, rootHash } = parseCheckpoint(parseNote(note).text);
  const times: number[] = [];
  for (let i = 0; i < PROOFS; i += 1) {
    const index = (i * 7_368_787) % size;
    const begun = performance.now();
    const { proof, leaf } = await inclusion(client, index);
    times.push(performance.now() - begun);
    const included = { leafHash: await leafHash(leaf), index, size, proof };
    const right = Buffer.compare(leaf, madeLeaf(index)) === 0;
    if (!right || !(await verifyInclusion(included, rootHash)))
      throw new Error(`leaf ${String(index)}`);
  }
  client.close();
  times.sort((a, b) => a - b);
  const part = (share: number): string => (times[Math.floor(times.length * share)] ?? 0).toFixed(2);
  say(`${String(PROOFS)} proofs over gRPC, verified: median ${part(0.5)} ms, p99 ${part(0.99)} ms`);
}

mkdirSync(folder, { recursive: true, mode: 0o700 });
const first = await MeasuredHost.start();
await fill(first);
say(`host: at most ${first.peakMiB.toFixed(0)} MiB`);
await first.stop();
const second = await MeasuredHost.start();
say(`opened in ${second.openMs.toFixed(0)} ms`);
await measureProofs();
say(`host: at most ${second.peakMiB.toFixed(0)} MiB`);
await second.stop();
