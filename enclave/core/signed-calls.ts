/**
 * Calls that their callers signed (docs/spec/signed-call.md): from the message that the host brought to who asks for what.
 * Who a chain is, and which methods there are, come in as ports.
 */
import { hash } from 'node:crypto';
import type { IdentifiedChain } from '../wire/policy/chain.ts';
import { Refusal, type Reason } from '../wire/error-code.ts';
import type { CallSignedRequest } from '../wire/gen/sealwright/v1/session.ts';
import { MAX_CERTIFICATE_BYTES, MAX_CHAIN_LENGTH, SIGNED_CALL_MS } from '../wire/limits.ts';
import { isMethodPath, REQUEST_ID_BYTES } from '../wire/session/record-content.ts';
import { signedCallInput } from '../wire/signed-call.ts';
import { checkCallerSignature } from './client-signature.ts';
import { SeenRequests } from './seen-requests.ts';

/** Which check of docs/spec/signed-call.md refused, and what the caller is told. */
const REASONS = {
  message: 'REQUEST_MALFORMED',
  method: 'METHOD_UNKNOWN',
  expired: 'DEADLINE_EXCEEDED',
  'too-far': 'REQUEST_MALFORMED',
  restarted: 'ENCLAVE_NOT_READY',
  caller: 'CALLER_UNAUTHENTICATED',
  signature: 'CALLER_UNAUTHENTICATED',
  replayed: 'REQUEST_ID_REUSED',
  busy: 'RATE_LIMITED',
} as const satisfies Record<string, Reason>;

export type SignedCallRule = keyof typeof REASONS;

export class SignedCallRefused extends Refusal {
  readonly rule: SignedCallRule;
  constructor(rule: SignedCallRule) {
    super(REASONS[rule]);
    this.rule = rule;
  }
}

const MAX_SIGNATURE_BYTES = 1024;

export interface SignedCallPorts {
  readonly clusterId: Uint8Array;
  /** Whether a method of the service may be called so: not sessions, and not `CallSigned`. */
  isCallable(method: string): boolean;
  /** Undefined for a chain that says nothing about anybody, and for somebody whom the policy does not know. */
  identify(certificates: readonly Uint8Array[], nowMs: number): IdentifiedChain | undefined;
}

/** A call of rank `signed`. */
export interface AdmittedCall {
  readonly caller: IdentifiedChain;
  readonly method: string;
  readonly request: Uint8Array;
  /** From now: after it the call is void. */
  readonly timeoutMs: number;
}

export class SignedCalls {
  readonly #ports: SignedCallPorts;
  readonly #seen = new SeenRequests();
  readonly #startedMs: number;

  /** @param startedMs when this process began, by the clock that `admit` gets */
  constructor(ports: SignedCallPorts, startedMs: number) {
    this.#ports = ports;
    this.#startedMs = startedMs;
  }

  /**
   * Throws SignedCallRefused.
   *
   * @param nowMs the enclave's clock, ms since the Unix epoch; never falls
   */
  admit(call: CallSignedRequest, nowMs: number): AdmittedCall {
    if (!isWellFormed(call)) throw new SignedCallRefused('message');
    const { method, request, requestId } = call;
    const notAfterMs = Number(call.notAfterMs);
    if (!this.#ports.isCallable(method)) throw new SignedCallRefused('method');
    this.#checkTime(notAfterMs, nowMs);
    const caller = this.#ports.identify(call.certificates, nowMs);
    if (caller === undefined) throw new SignedCallRefused('caller');
    const input = signedCallInput(
      this.#ports.clusterId,
      { method, requestId, notAfterMs },
      hash('sha256', request, 'buffer'),
    );
    if (!checkCallerSignature(caller.leafKey, call.algorithm, input, call.signature)) {
      throw new SignedCallRefused('signature');
    }
    // Last, so that nobody uses up somebody else's ids.
    const seen = this.#seen.add(caller.identity, requestId, nowMs);
    if (seen !== 'added') throw new SignedCallRefused(seen);
    return { caller, method, request, timeoutMs: notAfterMs - nowMs };
  }

  #checkTime(notAfterMs: number, nowMs: number): void {
    if (notAfterMs < nowMs) throw new SignedCallRefused('expired');
    if (notAfterMs > nowMs + SIGNED_CALL_MS) throw new SignedCallRefused('too-far');
    // The process before this one could have carried it out.
    if (notAfterMs <= this.#startedMs + SIGNED_CALL_MS) throw new SignedCallRefused('restarted');
  }
}

function isWellFormed(call: CallSignedRequest): boolean {
  const { certificates, signature } = call;
  return (
    isMethodPath(call.method) &&
    call.requestId.byteLength === REQUEST_ID_BYTES &&
    call.notAfterMs <= BigInt(Number.MAX_SAFE_INTEGER) &&
    certificates.length >= 1 &&
    certificates.length <= MAX_CHAIN_LENGTH &&
    certificates.every(
      ({ byteLength }) => byteLength >= 1 && byteLength <= MAX_CERTIFICATE_BYTES,
    ) &&
    signature.byteLength >= 1 &&
    signature.byteLength <= MAX_SIGNATURE_BYTES
  );
}
