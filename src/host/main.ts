/** Entry of the host process: `main.ts --config FILE`. Tells on stdout, in one line, where it listens. */
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { ConfigError, parseHostConfig, type HostConfig } from './config.ts';
import { Host } from './host.ts';
import { createLog, describeBug } from './log.ts';
import { LogFolderInUse } from './log-store/folder-lock.ts';
import { StoreUnusable } from './store.ts';
import { errorCode } from './tls-listener.ts';
import { SocketUnusable } from './unix-listener.ts';

/** The configuration is wrong: starting again changes nothing (sysexits.h EX_CONFIG). */
const EXIT_CONFIG = 78;
const EXIT_FAILED = 1;

const log = createLog((line) => void process.stderr.write(line));

function readConfig(): HostConfig {
  const { values } = parseArgs({ options: { config: { type: 'string' } } });
  if (values.config === undefined) throw new ConfigError(['--config FILE: is required']);
  let text: string;
  try {
    text = readFileSync(values.config, 'utf8');
  } catch (error) {
    throw new ConfigError([`--config ${values.config}: can't be read (${errorCode(error)})`]);
  }
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch {
    throw new ConfigError([`--config ${values.config}: is not JSON`]);
  }
  return parseHostConfig(document);
}

/** What an operator can do something about. Anything else is a bug, or a system in trouble. */
function problemsOf(error: unknown): readonly string[] {
  if (error instanceof ConfigError) return error.problems;
  if (error instanceof LogFolderInUse) return ['/logFolder: is in use by another host'];
  if (error instanceof StoreUnusable || error instanceof SocketUnusable) return [error.message];
  const { code, syscall, path, address, port } = error as NodeJS.ErrnoException & {
    readonly address?: string;
    readonly port?: number;
  };
  if (code === undefined) return [describeBug(error)];
  const where = path ?? (address === undefined ? '' : `${address}:${String(port)}`);
  return [[syscall, where, code].filter((part) => part !== undefined && part !== '').join(' ')];
}

async function run(): Promise<void> {
  // Node's own warnings are text; stderr is for JSON lines.
  process.removeAllListeners('warning');
  process.on('warning', ({ name, ...warning }) => {
    const { code } = warning as { readonly code?: unknown };
    log({ event: 'host.warning', name, ...(typeof code === 'string' ? { code } : {}) });
  });
  // State after an unexpected exception is unknown: better a fresh process, which the supervisor starts.
  process.on('uncaughtException', (error) => {
    log({ event: 'host.bug', where: 'uncaught', error: describeBug(error) });
    process.exit(EXIT_FAILED);
  });

  const { host, listening } = await Host.start(readConfig(), log);
  const end = (signal: NodeJS.Signals): void => {
    host.drain(signal).then(
      () => process.exit(0),
      (error: unknown) => {
        log({ event: 'host.bug', where: 'drain', error: describeBug(error) });
        process.exit(EXIT_FAILED);
      },
    );
  };
  process.on('SIGTERM', end);
  process.on('SIGINT', end);
  process.on('SIGHUP', () => void host.reload());
  // A supervisor that is gone reads no more: that is no reason to end.
  process.stdout.on('error', () => undefined);
  process.stdout.write(`${JSON.stringify({ listening })}\n`);
}

run().catch((error: unknown) => {
  log({ event: 'host.refused-to-start', problems: problemsOf(error) });
  process.exit(error instanceof ConfigError ? EXIT_CONFIG : EXIT_FAILED);
});
