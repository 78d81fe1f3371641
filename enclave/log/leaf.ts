/** Leaves: what happened, as canonical JSON with a closed schema per kind (docs/spec/log.md). */
import { hash } from 'node:crypto';
import { toHex } from '../wire/bytes.ts';
import type { CallerIdentity } from '../wire/policy/caller.ts';
import { canonicalize, type SignedJson } from '../wire/signed-json.ts';
import { toBeSignedHashInput } from '../wire/tlog.ts';

export type Leaf =
  | {
      readonly kind: 'genesis';
      readonly clusterId: string;
      readonly genesisDigest: string;
      readonly tokenSerial: string;
    }
  | {
      readonly kind: 'boot';
      readonly bootEpoch: number;
      readonly mr0: string;
      readonly mr1: string;
      readonly mr2: string;
      readonly svn: number;
      readonly policyVersion: number;
    }
  | { readonly kind: 'policy'; readonly policyVersion: number; readonly policyDigest: string }
  | {
      readonly kind: 'key-birth';
      readonly ring: string;
      readonly version: number;
      readonly kid: string;
      readonly alg: string;
      readonly residency: string;
      readonly publicKeyHash: string;
      readonly attributes: {
        readonly true: readonly string[];
        readonly false: readonly string[];
      };
    }
  | {
      readonly kind: 'key-state';
      readonly ring: string;
      readonly version: number;
      readonly from: string;
      readonly to: string;
      readonly reason: string;
    }
  | {
      readonly kind: 'emergency';
      readonly call: string;
      readonly ring: string;
      /** 0: every version that the call could apply to. */
      readonly version: number;
      readonly sequence: number;
      readonly statementDigest: string;
      /** Names of admins. */
      readonly approvedBy: readonly string[];
    }
  | {
      readonly kind: 'session';
      readonly sessionId: string;
      /** Its name in the policy. */
      readonly caller: string;
      readonly callerId: string;
      readonly policyVersion: number;
    }
  | {
      readonly kind: 'signature';
      readonly ring: string;
      readonly version: number;
      readonly kid: string;
      readonly alg: string;
      /** Its name in the policy. */
      readonly caller: string;
      readonly callerId: string;
      readonly rank: string;
      readonly toBeSignedHash: string;
      readonly policyVersion: number;
      readonly requestId?: string;
    }
  | {
      readonly kind: 'refusal';
      readonly ring: string;
      /** Absent when the policy has no such caller. */
      readonly caller?: string;
      readonly callerId: string;
      readonly rank: string;
      readonly reason: string;
      readonly count: number;
    };

/** Longest identity that a leaf names as it is. */
const MAX_CALLER_ID_LENGTH = 256;

/** An identity as a leaf names it: a longer one by its digest. */
export function identityInLeaf(identity: CallerIdentity): string {
  if (identity.length <= MAX_CALLER_ID_LENGTH) return identity;
  return `sha256:${hash('sha256', identity, 'hex')}`;
}

/** Who writes and when: the same in all leaves of one instance. */
export interface LeafOrigin {
  readonly timeMs: number;
  readonly instanceId: Uint8Array;
}

export function encodeLeaf(leaf: Leaf, origin: LeafOrigin): Uint8Array {
  return canonicalize({
    ...(leaf as unknown as Readonly<Record<string, SignedJson>>),
    v: 1,
    timeMs: origin.timeMs,
    instanceId: toHex(origin.instanceId),
  });
}

/** Hex. Salted, because messages can be guessed and the log has readers; the salt goes into the receipt only. */
export function toBeSignedHash(salt: Uint8Array, toBeSigned: Uint8Array): string {
  return hash('sha256', toBeSignedHashInput(salt, toBeSigned), 'hex');
}
