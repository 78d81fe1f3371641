/**
 * The control protocol between the supervisor and the platform: one JSON object a line, commands on the
 * platform's stdin, events on its stdout. Nothing secret passes here.
 */

export type PlatformCommand =
  /** Measure, copy and start the enclave. Answered by `started` or `failed`. */
  | { readonly id: number; readonly command: 'start' }
  /** End the enclave: SIGTERM, and SIGKILL after `graceMs`. Answered by `stopped`. */
  | { readonly id: number; readonly command: 'stop'; readonly graceMs?: number };

export type FailureReason =
  /** Another platform works on this state folder (exit status 75). */
  | 'STATE_LOCKED'
  /** Configuration or command line (exit status 64). */
  | 'CONFIG_INVALID'
  /** A command that is not of this protocol. */
  | 'COMMAND_INVALID'
  /** An enclave is already running. */
  | 'ALREADY_RUNNING'
  /** The files cannot be measured or started; the message says what to do. */
  | 'LAUNCH_FAILED';

export interface Measured {
  /** Lower-case hex. */
  readonly mr0: string;
  readonly mr1: string;
  readonly mr2: string;
}

export type PlatformEvent =
  /** First, once: lock taken, root read. `root: ephemeral` means that sealed state will not open. */
  | {
      readonly event: 'ready';
      readonly platformId: string;
      readonly root: 'kept' | 'created' | 'ephemeral';
    }
  | {
      readonly event: 'started';
      readonly id: number;
      readonly pid: number;
      readonly measurements: Measured;
      readonly svn: number;
      readonly elapsedMs: number;
    }
  /** The enclave ended, whoever wanted it. */
  | {
      readonly event: 'exited';
      readonly pid: number;
      readonly code: number | null;
      readonly signal: string | null;
      readonly outputBytes: number;
    }
  | { readonly event: 'stopped'; readonly id: number }
  | {
      readonly event: 'failed';
      readonly id: number;
      readonly reason: FailureReason;
      readonly message: string;
    }
  /** Last: the platform ends. */
  | { readonly event: 'fatal'; readonly reason: FailureReason; readonly message: string };

/** Longest that a stop may wait for the enclave. */
const MAX_GRACE_MS = 60_000;

/** Undefined for a line that is not a command. */
export function parseCommand(line: string): PlatformCommand | undefined {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return undefined;
  }
  if (typeof value !== 'object' || value === null) return undefined;
  const { id, command, graceMs } = value as Record<string, unknown>;
  if (typeof id !== 'number' || !Number.isSafeInteger(id)) return undefined;
  if (command === 'start') return { id, command };
  if (command !== 'stop') return undefined;
  if (graceMs === undefined) return { id, command };
  const valid = typeof graceMs === 'number' && graceMs >= 0 && graceMs <= MAX_GRACE_MS;
  return valid ? { id, command, graceMs } : undefined;
}
