/**
 * Measures the real system against bare ceilings of the same run (docs/BENCHMARKS.md):
 *
 *   npm run bench [-- --seconds 5] [--rounds 1] [--json build/bench.json]
 *
 * Exit status 1 when a number is impossible, a call was refused, or a signature or receipt of a sample is false.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import process from 'node:process';
import { parseArgs } from 'node:util';
import { problemsOf, reportOf, summarize, table } from './bench/report.ts';
import { runRounds, type Row } from './bench/rounds.ts';

const USAGE_STATUS = 64;

function usage(problem: string): never {
  process.stderr.write(
    `bench: ${problem}\nusage: npm run bench -- [--seconds 5] [--rounds 1] [--json build/bench.json]\n`,
  );
  process.exit(USAGE_STATUS);
}

function options(): { readonly seconds: number; readonly rounds: number; readonly json: string } {
  try {
    const { values } = parseArgs({
      options: {
        seconds: { type: 'string', default: '5' },
        rounds: { type: 'string', default: '1' },
        json: { type: 'string', default: 'build/bench.json' },
      },
    });
    const seconds = Number(values.seconds);
    const rounds = Number(values.rounds);
    if (!(seconds >= 1)) return usage('--seconds must be a number from 1');
    if (!Number.isInteger(rounds) || rounds < 1) return usage('--rounds must be an integer from 1');
    return { seconds, rounds, json: values.json };
  } catch (error) {
    return usage((error as Error).message);
  }
}

const { seconds, rounds, json } = options();
const rows: Row[] = [];
await runRounds({
  seconds,
  rounds,
  onRow: (row) => {
    rows.push(row);
    process.stderr.write(`${row.name}: ${row.perSecond.toFixed(0)} a second\n`);
  },
});
const report = reportOf(rows, seconds, rounds);
mkdirSync(dirname(json), { recursive: true });
writeFileSync(json, `${JSON.stringify(report, null, 2)}\n`);
process.stdout.write(`${table(report.lines)}\n`);
const problems = problemsOf(summarize(rows));
for (const problem of problems) process.stderr.write(`bench: ${problem}\n`);
process.exitCode = problems.length > 0 ? 1 : 0;
