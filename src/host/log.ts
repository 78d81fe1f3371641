/**
 * What the host says on stderr: one JSON line per event of a closed union. No free text from outside, no
 * bytes, no secrets. `error` means a bug or damage that is worth an investigation of its own.
 */
import type { Alarm, Reason } from '../../enclave/wire/error-code.ts';
import { MAX_LOG_LINES_PER_SECOND } from './limits.ts';
import type { DamageKind } from './log-store/log-damage.ts';

export type LogEvent =
  | {
      readonly event: 'host.listening';
      readonly grpc: string;
      readonly http?: string;
      readonly unixSockets: readonly string[];
    }
  | { readonly event: 'host.refused-to-start'; readonly problems: readonly string[] }
  | { readonly event: 'host.draining'; readonly signal: string; readonly openCalls: number }
  | { readonly event: 'host.stopped'; readonly cutCalls: number }
  | {
      readonly event: 'host.bug';
      readonly where: string;
      readonly error: string;
      readonly requestId?: string;
    }
  | { readonly event: 'host.warning'; readonly name: string; readonly code?: string }
  | { readonly event: 'link.up' }
  | { readonly event: 'link.down'; readonly because: 'closed' | 'malformed-frame' | 'not-reading' }
  | { readonly event: 'enclave.phase'; readonly phase: string; readonly haltReason?: string }
  | { readonly event: 'enclave.alarm'; readonly alarm: Alarm }
  | {
      readonly event: 'call.refused';
      readonly method: string;
      readonly reason: Reason;
      readonly ring?: string;
      readonly requestId?: string;
    }
  | { readonly event: 'tls.reloaded'; readonly notAfter: string }
  | { readonly event: 'tls.reload-failed'; readonly code: string }
  | { readonly event: 'store.opened'; readonly records: number }
  | { readonly event: 'store.damaged'; readonly code: string }
  | { readonly event: 'store.failed'; readonly code: string }
  | { readonly event: 'store.closed' }
  | { readonly event: 'log.opened'; readonly leaves: number }
  | { readonly event: 'log.damaged'; readonly where: string; readonly what: DamageKind }
  | { readonly event: 'log.failed'; readonly code: string }
  | { readonly event: 'log.suppressed'; readonly lines: number };

const LEVELS: Readonly<Partial<Record<LogEvent['event'], 'error' | 'warn'>>> = {
  'host.refused-to-start': 'error',
  'host.bug': 'error',
  'host.warning': 'warn',
  'link.down': 'warn',
  'enclave.alarm': 'error',
  'tls.reload-failed': 'error',
  'store.damaged': 'error',
  'store.failed': 'error',
  'log.damaged': 'error',
  'log.failed': 'error',
  'log.suppressed': 'warn',
};

export type Log = (event: LogEvent) => void;

/** A log that writes at most so many lines per second and then says how many it left out. */
export function createLog(write: (line: string) => void, now: () => number = Date.now): Log {
  let second = 0;
  let lines = 0;
  let suppressed = 0;
  const put = (event: LogEvent): void => {
    const level = LEVELS[event.event] ?? 'info';
    write(`${JSON.stringify({ ts: new Date(now()).toISOString(), level, ...event })}\n`);
  };
  return (event) => {
    const current = Math.floor(now() / 1000);
    if (current !== second) {
      second = current;
      lines = 0;
      if (suppressed > 0) put({ event: 'log.suppressed', lines: suppressed });
      suppressed = 0;
    }
    // Only refused calls can come in floods; everything else is rare and must not get lost among them.
    if (event.event === 'call.refused' && lines >= MAX_LOG_LINES_PER_SECOND) {
      suppressed += 1;
      return;
    }
    lines += 1;
    put(event);
  };
}

/** Class and place of an exception: enough to find it, nothing that a caller wrote. */
export function describeBug(error: unknown): string {
  if (!(error instanceof Error)) return typeof error;
  const frame = /\n\s+at (.*)/.exec(error.stack ?? '')?.[1] ?? '';
  return `${error.name} at ${frame}`.slice(0, 200);
}
