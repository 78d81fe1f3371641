/** The table and the file: medians over the rounds; a share is taken within a round, and then the median. */
import { cpus, release } from 'node:os';
import process from 'node:process';
import type { Row } from './rounds.ts';

export interface Line {
  readonly name: string;
  readonly perSecond: number;
  readonly p50Ms?: number;
  readonly p99Ms?: number;
  readonly cpuUsPerCall?: Readonly<Record<string, number>>;
  /** Held against: which line, and its throughput and its server's CPU a call as parts of that one's. */
  readonly ceiling?: {
    readonly name: string;
    readonly share: number;
    readonly hostCpu?: number;
    /** A share below it is a problem. */
    readonly least?: number;
  };
}

export interface Report {
  readonly v: 1;
  readonly kind: 'benchmark';
  readonly machine: { readonly cpus: number; readonly model: string; readonly kernel: string };
  readonly node: string;
  readonly seconds: number;
  readonly rounds: number;
  readonly lines: readonly Line[];
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length / 2;
  const at = (index: number): number => sorted[index] ?? NaN;
  return Number.isInteger(middle) ? (at(middle - 1) + at(middle)) / 2 : at(Math.floor(middle));
}

/** `rows`: of all rounds, in the order of their measuring. */
export function summarize(rows: readonly Row[]): Line[] {
  const named = new Map<string, Row[]>();
  for (const row of rows) named.set(row.name, [...(named.get(row.name) ?? []), row]);
  return [...named].map(([name, own]) => lineOf(name, own, named));
}

function lineOf(name: string, rows: readonly Row[], named: ReadonlyMap<string, Row[]>): Line {
  const of = (read: (row: Row) => number | undefined): number =>
    median(rows.map((row) => read(row) ?? NaN));
  const processes = Object.keys(rows[0]?.load?.cpuUsPerCall ?? {});
  const perSecond = of((row) => row.perSecond);
  const ceiling = ceilingOf(rows, named);
  return {
    name,
    perSecond,
    ...(processes.length === 0
      ? {}
      : {
          p50Ms: of(({ load }) => load?.p50Ms),
          p99Ms: of(({ load }) => load?.p99Ms),
          cpuUsPerCall: Object.fromEntries(
            processes.map((process) => [process, of(({ load }) => load?.cpuUsPerCall[process])]),
          ),
        }),
    ...(ceiling === undefined ? {} : { ceiling }),
  };
}

function ceilingOf(
  rows: readonly Row[],
  named: ReadonlyMap<string, Row[]>,
): Line['ceiling'] | undefined {
  const name = rows[0]?.ceiling;
  const ceilings = name === undefined ? undefined : named.get(name);
  if (name === undefined || ceilings === undefined) return undefined;
  const share = (read: (row: Row) => number | undefined): number =>
    median(
      rows.map((row, round) => {
        const ceiling = ceilings[round];
        return ceiling === undefined ? NaN : (read(row) ?? NaN) / (read(ceiling) ?? NaN);
      }),
    );
  const hostCpu = share(({ load }) => load?.cpuUsPerCall['host']);
  const least = rows[0]?.leastShare;
  return {
    name,
    share: share((row) => row.perSecond),
    ...(least === undefined ? {} : { least }),
    ...(Number.isNaN(hostCpu) ? {} : { hostCpu }),
  };
}

export function reportOf(rows: readonly Row[], seconds: number, rounds: number): Report {
  const machine = { cpus: cpus().length, model: cpus()[0]?.model ?? '', kernel: release() };
  return {
    v: 1,
    kind: 'benchmark',
    machine,
    node: process.version,
    seconds,
    rounds,
    lines: summarize(rows),
  };
}

/** Every number that is wrong, in words: what a short run can assert on any machine. */
export function problemsOf(lines: readonly Line[]): string[] {
  return lines.flatMap((line) => {
    const { name, perSecond, p50Ms, p99Ms, cpuUsPerCall, ceiling } = line;
    const numbers = { perSecond, p50Ms, p99Ms, ...cpuUsPerCall, share: ceiling?.share };
    const problems = Object.entries(numbers)
      .filter(([what, value]) => value !== undefined && !isPossible(what, value))
      .map(([what, value]) => `${name}: ${what} is ${String(value)}`);
    if (ceiling?.least !== undefined && ceiling.share < ceiling.least) {
      problems.push(`${name}: ${ceiling.share.toFixed(2)} of ${ceiling.name}`);
    }
    return problems;
  });
}

/** Workers have nothing to do for a key of the enclave. */
function isPossible(what: string, value: number): boolean {
  return Number.isFinite(value) && (value > 0 || (what === 'workers' && value === 0));
}

const COLUMNS = [
  'a second',
  'p50 ms',
  'p99 ms',
  'host µs',
  'enclave µs',
  'workers µs',
  'callers µs',
  'of its ceiling',
];

export function table(lines: readonly Line[]): string {
  const digits = (value: number | undefined, places: number): string =>
    value === undefined ? '' : value.toFixed(places);
  const cells = lines.map(({ name, perSecond, p50Ms, p99Ms, cpuUsPerCall, ceiling }) => [
    name,
    digits(perSecond, 0),
    digits(p50Ms, 2),
    digits(p99Ms, 2),
    ...['host', 'enclave', 'workers', 'callers'].map((process) =>
      digits(cpuUsPerCall?.[process], 0),
    ),
    ceiling === undefined
      ? ''
      : `${ceiling.share.toFixed(2)} of ${ceiling.name}${
          ceiling.hostCpu === undefined ? '' : `; host CPU ${ceiling.hostCpu.toFixed(2)}`
        }`,
  ]);
  const all = [['', ...COLUMNS], ...cells];
  const widths = all[0]?.map((_, i) => Math.max(...all.map((row) => row[i]?.length ?? 0))) ?? [];
  const last = widths.length - 1;
  return all
    .map((row) =>
      row
        .map((cell, i) =>
          i === 0 || i === last ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0),
        )
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}
