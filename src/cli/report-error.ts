/** Says what was wrong, what was expected and what to do, as text or as one JSON line on stderr. */
import { SupervisorProblem } from '../supervisor/problem.ts';
import { findCommand } from './catalogue.ts';
import { CliError } from './cli-error.ts';
import type { Doubt } from './explain-doubt.ts';
import type { RefusedCall } from './explain-refusal.ts';
import { EXIT } from './exit-status.ts';
import type { ExitStatus } from './exit-status.ts';
import { terminalJson, terminalText } from './terminal-text.ts';

/** Words of the service that mean "later", not "no". */
const LATER = new Set([
  'SERVICE_UNREACHABLE',
  'NO_ANSWER_IN_TIME',
  'ENCLAVE_NOT_READY',
  'TOKEN_UNAVAILABLE',
  'STORE_UNAVAILABLE',
]);

export async function reportError(error: unknown, argv: readonly string[]): Promise<ExitStatus> {
  const report = await explain(error);
  const name = ['sealwright', findCommand(argv)?.entry.name].filter((word) => word !== undefined);
  const beforeProgram = argv.slice(0, argv.includes('--') ? argv.indexOf('--') : argv.length);
  if (beforeProgram.includes('--json')) {
    const { status, message, expected, wayOut, facts } = report;
    const line = { error: { exitStatus: status, problem: message, expected, wayOut, ...facts } };
    process.stderr.write(`${terminalJson(JSON.stringify(line))}\n`);
    return status;
  }
  const lines = [`${name.join(' ')}: ${report.message}`];
  if (report.expected !== undefined) lines.push(`  expected: ${report.expected}`);
  if (report.wayOut !== undefined) lines.push(`  what to do: ${report.wayOut}`);
  process.stderr.write(`${terminalText(lines.join('\n'))}\n`);
  return report.status;
}

async function explain(error: unknown): Promise<CliError> {
  if (error instanceof CliError) return error;
  if (isRefusedCall(error)) {
    const { explainRefusal } = await import('./explain-refusal.ts');
    return explainRefusal(error, LATER.has(error.reason));
  }
  if (isDoubt(error)) {
    const { explainDoubt } = await import('./explain-doubt.ts');
    return explainDoubt(error);
  }
  if (error instanceof SupervisorProblem) {
    const { kind, message, wayOut } = error;
    const status = kind === 'usage' ? EXIT.usage : EXIT.refused;
    return new CliError({ status, problem: message, wayOut, facts: { kind } });
  }
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return new CliError({ status: EXIT.refused, problem: `a bug in this program: ${text}` });
}

/** A SignerError, known by its name: a mistyped option must not load its protobuf decoders. */
function isRefusedCall(error: unknown): error is RefusedCall {
  return error instanceof Error && error.name === 'SignerError';
}

/** A NotBelieved, known by its name: as above. */
function isDoubt(error: unknown): error is Doubt {
  return error instanceof Error && error.name === 'NotBelieved';
}
