/** Which calls of a connection travel in its sessions, and which beside them. There is no third way. */
import { METHODS, SESSION_CALLS } from '../../../enclave/wire/methods.ts';
import { LogServiceService } from '../../gen/sealwright/v1/log.ts';

/** Their answers prove themselves: evidence, which a session rests on, and the log, which the host keeps. */
export const BESIDE: ReadonlySet<string> = new Set([
  METHODS.getEvidence,
  ...Object.values(LogServiceService).map(({ path }) => path),
]);

export const INSIDE: ReadonlySet<string> = new Set(
  [...SESSION_CALLS].filter((method) => !BESIDE.has(method)),
);
