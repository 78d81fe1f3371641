/** What the parts that Sealwright is made of can do alone, on this machine and in this run. */
import { execFile, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { promisify } from 'node:util';
import { findSoftHsm } from '../../src/simulator/defaults.ts';
import { forkProcess, spawnNode, ended } from './child.ts';
import type { EchoSettings } from './echo-server.ts';

/** Lines of `openssl speed -mr`, by what they begin with. */
const OPENSSL_LINES = {
  ES256: /^\+F4:\d+:256:([\d.]+):/m,
  Ed25519: /^\+F6:\d+:253:Ed25519:([\d.]+):/m,
  'RSA-2048': /^\+F2:\d+:2048:([\d.]+):/m,
} as const;

export type OpensslAlgorithm = keyof typeof OPENSSL_LINES;

/** Signatures a second on one core; undefined when there is no openssl. */
export async function opensslSpeed(
  seconds: number,
): Promise<Readonly<Record<OpensslAlgorithm, number>> | undefined> {
  const args = ['speed', '-mr', '-seconds', String(seconds), 'ecdsap256', 'ed25519', 'rsa2048'];
  let stdout: string;
  try {
    ({ stdout } = await promisify(execFile)('openssl', args));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  const rate = (name: OpensslAlgorithm): number => Number(OPENSSL_LINES[name].exec(stdout)?.[1]);
  return { ES256: rate('ES256'), Ed25519: rate('Ed25519'), 'RSA-2048': rate('RSA-2048') };
}

/** C_Sign calls a second on P-256, of that many processes together. */
export async function cSignLoop(processes: number, seconds: number): Promise<number> {
  const folder = mkdtempSync('/tmp/sw-csign-');
  try {
    const rates = Array.from({ length: processes }, (_, i) =>
      cSignProcess(join(folder, String(i)), seconds),
    );
    return (await Promise.all(rates)).reduce((sum, rate) => sum + rate, 0);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function cSignProcess(folder: string, seconds: number): Promise<number> {
  const tokens = join(folder, 'tokens');
  mkdirSync(tokens, { recursive: true });
  const SOFTHSM2_CONF = join(folder, 'softhsm2.conf');
  writeFileSync(SOFTHSM2_CONF, `directories.tokendir = ${tokens}\nlog.level = ERROR\n`);
  const args = [findSoftHsm(), String(seconds)];
  const child = spawnNode('c-sign-process.ts', args, { env: { SOFTHSM2_CONF } });
  const [out, problem] = await Promise.all([text(child.stdout), text(child.stderr), ended(child)]);
  const rate = Number(out);
  if (!(rate > 0)) throw new Error(`the loop of C_Sign failed: ${problem}`);
  return rate;
}

export interface EchoServer {
  readonly port: number;
  readonly pid: number;
  readonly stop: () => Promise<void>;
}

export async function startEcho(settings: EchoSettings): Promise<EchoServer> {
  const child: ChildProcess = forkProcess('echo-server.ts');
  child.send(settings);
  const [port] = (await once(child, 'message')) as [number];
  return {
    port,
    pid: child.pid ?? 0,
    stop: async () => {
      child.disconnect();
      await ended(child);
    },
  };
}
