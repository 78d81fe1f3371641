/** State folders that something happened to, and what the next start makes of them. */
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { HALT_REASONS } from '../../enclave/wire/error-code.ts';
import { wayOutOf } from '../../src/cli/way-out.ts';
import { runSealwright } from './stack.ts';

/** Of another cluster: the file of the same name in another state folder. */
export const DAMAGES = ['deleted', 'emptied', 'flipped', 'foreign'] as const;
export type Damage = (typeof DAMAGES)[number];

/** All files below a folder, as paths relative to it. */
export function filesBelow(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)))
    .toSorted();
}

/** With owners and modes: the token's files belong to the enclave's user. */
export function copyFolder(from: string, to: string): void {
  execFileSync('cp', ['-a', '--', from, to]);
}

/** Turns bit 0 of one byte around; a file without bytes gets a page of rubbish. */
function flipByte(file: string, at: number): void {
  const bytes = readFileSync(file);
  if (bytes.byteLength === 0) {
    rewrite(file, Buffer.alloc(4096, 1));
    return;
  }
  bytes[at] = (bytes[at] ?? 0) ^ 0x01;
  rewrite(file, bytes);
}

/** In place, whatever its mode says. */
function rewrite(file: string, bytes: Uint8Array): void {
  const { mode } = statSync(file);
  chmodSync(file, 0o600);
  writeFileSync(file, bytes);
  chmodSync(file, mode);
}

export interface Harm {
  readonly file: string;
  readonly damage: Damage;
  /** Of a flip; the middle without. */
  readonly at?: number;
}

/** `foreign` is a file of another cluster; none there means that the file goes. */
export function harm(state: string, { file, damage, at }: Harm, foreign: string | undefined): void {
  const path = join(state, file);
  switch (damage) {
    case 'deleted':
      rmSync(path);
      return;
    case 'emptied':
      chmodSync(path, 0o600);
      truncateSync(path);
      return;
    case 'flipped':
      flipByte(path, at ?? Math.floor(statSync(path).size / 2));
      return;
    case 'foreign':
      if (foreign === undefined) rmSync(path);
      else {
        mkdirSync(dirname(path), { recursive: true });
        rewrite(path, readFileSync(foreign));
      }
  }
}

/** What a start came to. `outcome`: 'serves', a halt reason, or 'refused'. */
export interface Start {
  readonly outcome: string;
  readonly clusterId: string | undefined;
  /** Ends of processes that the supervisor did not ask for. */
  readonly unexpectedEnds: number;
  readonly isNewCluster: boolean;
  /** Somebody is told what to do. */
  readonly hasWayOut: boolean;
  readonly text: string;
}

/** Runs `dev` once over the folder. */
export async function startOver(state: string): Promise<Start> {
  const ended = await runSealwright(['dev', '--json', '--state', state, '--', 'echo', 'ran']);
  const lines = ended.stderr
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  const halted = lines.filter(({ step }) => step === 'halted').map(({ text }) => String(text));
  const reason = HALT_REASONS.find((name) => halted.includes(`halted: ${name}`));
  const error = lines.find((line) => 'error' in line)?.['error'] as
    Record<string, string> | undefined;
  const problem = error?.['problem'] ?? '';
  const refused = error !== undefined && !problem.startsWith('a bug in this program');
  const outcome =
    ended.status === 0 && ended.stdout === 'ran\n'
      ? 'serves'
      : (reason ?? (refused ? 'refused' : `status ${String(ended.status)}`));
  const marker = join(state, 'sealwright-state.json');
  return {
    outcome,
    clusterId: clusterOf(marker),
    unexpectedEnds: lines.filter(({ event }) => event === 'process.ended').length,
    isNewCluster: lines.some(({ step }) => step === 'genesis'),
    hasWayOut:
      reason === undefined
        ? (error?.['wayOut'] ?? '') !== ''
        : halted.includes(`way out: ${wayOutOf(reason) ?? ''}`),
    text: `${ended.stderr}\n${ended.stdout}`,
  };
}

function clusterOf(marker: string): string | undefined {
  try {
    return (JSON.parse(readFileSync(marker, 'utf8')) as { clusterId?: string }).clusterId;
  } catch {
    return undefined;
  }
}
