/** What to do about each refusal of the service, in words. */
import { CliError } from './cli-error.ts';
import { EXIT } from './exit-status.ts';

const WAYS_OUT: Readonly<Record<string, string>> = {
  SERVICE_UNREACHABLE:
    'start it with "npx sealwright dev" or "serve", or name another one with --state or --address',
  NO_ANSWER_IN_TIME: 'look at "npx sealwright status"; a signature may exist all the same',
  ENCLAVE_NOT_READY: 'look at "npx sealwright status" and try again',
  ENCLAVE_HALTED: '"npx sealwright status" tells why, and the way out',
  TOKEN_UNAVAILABLE: 'try again; if it stays, look at the HSM',
  TOKEN_REFUSED: 'look at the HSM: it lacks a mechanism, or the key a right',
  STORE_UNAVAILABLE: 'try again; if it stays, look at the disk of the state folder',
  CALLER_UNAUTHENTICATED:
    'use a client certificate that the host’s clientCaFile signed (--cert, --key)',
  SIGNING_POLICY_DENIED: 'use a ring whose policy allows this caller, or have the policy changed',
  KEY_NOT_FOUND: '"npx sealwright keys list" shows the rings',
  KEY_STATE_FORBIDS_SIGNING: 'use another ring, or wait for its next version',
  PAYLOAD_KIND_MISMATCH: '"npx sealwright keys list" shows what each ring signs',
  ENCODING_UNSUPPORTED: 'leave --encoding away: only ECDSA has more than one form',
  MESSAGE_TOO_LARGE:
    'use a digest ring: it signs the hash of the file, which this command computes',
  EVIDENCE_STALE: 'the enclave gets no new evidence of its platform: "npx sealwright status"',
  PLATFORM_UNAVAILABLE: 'try again; if it stays, look at the platform and its log',
  RATE_LIMITED: 'wait and try again',
  MANIFEST_INVALID: 'correct the manifest at the place named',
  GENESIS_NOT_PROPOSED: 'propose again, and have the new statement approved',
  POLICY_INVALID: '"npx sealwright policy check" names every problem',
  POLICY_NOT_NEXT: 'build the policy again on the one that "npx sealwright policy show" prints',
  POLICY_NOT_IN_TIME: 'build the policy again with another notBefore and notAfter',
  SCOPE_IMMUTABLE: 'make a ring with another name',
  APPROVAL_INVALID: 'leave this approval away, or have it made again',
  APPROVALS_MISSING: 'collect more approvals over the same file',
  STATEMENT_INVALID: 'make the statement again with "npx sealwright emergency"',
  STATEMENT_REPLAYED:
    'another statement was applied after this one was written: make it again, and have it approved',
  STATEMENT_NOT_IN_TIME: 'make the statement again with another notAfter',
  KEY_STATE_FORBIDS_CALL: '"npx sealwright keys list" shows the states',
  GENESIS_NOT_ALLOWED: 'a cluster lives here already; "npx sealwright status" shows it',
};

/** What is read of a SignerError. */
export interface RefusedCall extends Error {
  readonly reason: string;
  readonly retryable: boolean;
  readonly grpcStatus: number;
  readonly metadata: Readonly<Record<string, string>>;
}

export function explainRefusal(error: RefusedCall, later: boolean): CliError {
  const facts = Object.entries(error.metadata).map(([key, value]) => `${key} ${value}`);
  const text = facts.length === 0 ? error.message : facts.join(', ');
  return new CliError({
    status: later ? EXIT.unavailable : EXIT.refused,
    problem: text === error.reason || text === '' ? error.reason : `${error.reason}: ${text}`,
    wayOut: error.metadata['wayOut'] ?? WAYS_OUT[error.reason],
    facts: {
      reason: error.reason,
      retryable: error.retryable,
      grpcStatus: error.grpcStatus,
      metadata: error.metadata,
    },
  });
}
