/** Emergency statements: narrow, signed, sequenced (docs/spec/admin-statements.md). */
import { ObjectReader } from '../closed-schema.ts';
import { MAX_EMERGENCY_BYTES } from '../limits.ts';
import { canonicalize, parseSignedJson } from '../signed-json.ts';
import { RING_NAME } from './ring.ts';

export const EMERGENCY_CALLS = ['suspend', 'resume', 'mark-compromised'] as const;
export type EmergencyCall = (typeof EMERGENCY_CALLS)[number];

export interface EmergencyStatement {
  readonly call: EmergencyCall;
  readonly clusterId: Uint8Array;
  readonly ring: string;
  /** 0: every version that the call can apply to. */
  readonly version: number;
  /** Greater than that of the last statement that was applied. */
  readonly sequence: number;
  /** SHA-256 of `emergencyDigestInput` of that last statement; 32 zero bytes when there was none. */
  readonly previous: Uint8Array;
  /** Ms since the Unix epoch. */
  readonly notAfter: number;
  readonly reason: string;
}

const REASON = /^[\x20-\x7e]{1,200}$/;

/** Throws SignedJsonError with the place of the first problem. */
export function parseEmergency(bytes: Uint8Array): EmergencyStatement {
  const reader = new ObjectReader(parseSignedJson(bytes, MAX_EMERGENCY_BYTES));
  reader.integer('v', 1, 1);
  reader.oneOf('kind', ['emergency']);
  const statement = {
    call: reader.oneOf('call', EMERGENCY_CALLS),
    clusterId: reader.hex('clusterId', 32),
    ring: reader.string('ring', RING_NAME),
    version: reader.integer('version', 0, 0xffff_ffff),
    sequence: reader.integer('sequence', 1),
    previous: reader.hex('previous', 32),
    notAfter: reader.integer('notAfter', 0),
    reason: reader.string('reason', REASON),
  };
  reader.end();
  return statement;
}

export function encodeEmergency(
  statement: Omit<EmergencyStatement, 'clusterId' | 'previous'> & {
    readonly clusterId: string;
    readonly previous: string;
  },
): Uint8Array {
  return canonicalize({ v: 1, kind: 'emergency', ...statement });
}

/** How many of the current admins must approve: what narrows is quick, what widens takes M. */
export function emergencyThreshold(call: EmergencyCall, m: number): number {
  switch (call) {
    case 'suspend':
      return 1;
    case 'mark-compromised':
      return Math.min(2, m);
    case 'resume':
      return m;
  }
}
