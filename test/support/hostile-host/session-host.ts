/** A host that carries sessions and signed calls to the enclave that it attacks: honestly, until a test says otherwise. */
import { createHash, randomBytes } from 'node:crypto';
import { expect } from 'vitest';
import { utf8 } from '../../../enclave/wire/bytes.ts';
import { CallSignedRequest } from '../../../enclave/wire/gen/sealwright/v1/session.ts';
import { SignResponse } from '../../../enclave/wire/gen/sealwright/v1/signing.ts';
import {
  GetEvidenceRequest,
  GetEvidenceResponse,
} from '../../../enclave/wire/gen/sealwright/v1/attestation.ts';
import { METHODS } from '../../../enclave/wire/methods.ts';
import type { ClientIdentity } from '../../../enclave/wire/session/client.ts';
import { signedCallInput } from '../../../enclave/wire/signed-call.ts';
import { parseSignedJson, type SignedJsonObject } from '../../../enclave/wire/signed-json.ts';
import { parseLeaf, type LogLeaf } from '../../../src/tlog/leaf.ts';
import { signRequest, type SignOptions } from '../fakes/world.ts';
import {
  openingFor,
  openRequest,
  SessionCaller,
  targetFrom,
  targetOf,
  type Carry,
  type OpenOptions,
  type OpenTarget,
} from '../session-caller.ts';
import type { AskOptions } from './hostile-host.ts';
import type { Rig } from './rig.ts';
import '../matchers.ts';

const MESSAGE = { message: utf8('a message') };

export class SessionHost {
  readonly rig: Rig;

  constructor(rig: Rig) {
    this.rig = rig;
  }

  /** As the host says it of these calls. */
  carry(options: AskOptions = {}): Carry {
    return (method, body) => this.rig.host.call(method, body, { timeoutMs: 30_000, ...options });
  }

  target(): Promise<OpenTarget> {
    return targetOf({ call: this.carry() });
  }

  /** Evidence for a nonce of 16 to 64 bytes. */
  async evidence(nonce: Uint8Array, fresh = false): Promise<GetEvidenceResponse> {
    const request = GetEvidenceRequest.encode({ nonce, fresh }).finish();
    return GetEvidenceResponse.decode(await this.carry()(METHODS.getEvidence, request));
  }

  /** Of evidence that was made for a nonce: it is nobody's current one. */
  async freshTarget(): Promise<OpenTarget> {
    const { bundle } = await this.evidence(new Uint8Array(32), true);
    const { claims } = parseSignedJson(bundle) as { readonly claims: string };
    return targetFrom(parseSignedJson(utf8(claims)) as SignedJsonObject);
  }

  async open(identity: ClientIdentity, more: Partial<OpenOptions> = {}): Promise<SessionCaller> {
    return SessionCaller.open(this.carry(), { target: await this.target(), identity, ...more });
  }

  /** An Open, as the host gets it from a caller. */
  async opening(identity: ClientIdentity, more: Partial<OpenOptions> = {}): Promise<Uint8Array> {
    const { message } = await openingFor({ target: await this.target(), identity, ...more });
    return message;
  }

  /** Brings an Open. */
  bring(message: Uint8Array): Promise<Uint8Array> {
    return this.carry()(METHODS.openSession, openRequest(message));
  }

  /** Leaves that the host holds, newest last. */
  leaves(): readonly LogLeaf[] {
    return this.rig.host.services.log.leaves.map((leaf) => parseLeaf(leaf));
  }

  /** What the log gets while `attack` lasts. */
  async leavesOf(attack: () => Promise<unknown>): Promise<readonly LogLeaf[]> {
    const before = this.leaves().length;
    await attack();
    return this.leaves().slice(before);
  }

  /** Nothing comes of the attack: no signature, no session, no leaf at all. */
  async expectNothing(attack: () => Promise<unknown>): Promise<void> {
    expect(await this.leavesOf(attack)).toEqual([]);
  }
}

/** Signs inside a session. */
export async function signIn(
  caller: SessionCaller,
  ring = 'session',
  options: SignOptions = MESSAGE,
): Promise<SignResponse> {
  return SignResponse.decode(await caller.unary(METHODS.sign, signRequest(ring, options)));
}

/** A record that asks for a signature, as the host gets it. */
export function signRecord(caller: SessionCaller, ring = 'session'): Uint8Array {
  return caller.records.unary(caller.request(METHODS.sign), signRequest(ring, MESSAGE)).record;
}

export interface SignedCallOptions {
  readonly identity: ClientIdentity;
  readonly clusterId: Uint8Array;
  readonly method?: string;
  readonly request?: Uint8Array;
  readonly requestId?: Uint8Array;
  readonly notAfterMs?: number;
}

/** A call that its caller signed. The longest life: a shorter one is refused in the minute after a start. */
export async function signedCall(options: SignedCallOptions): Promise<CallSignedRequest> {
  const { identity, clusterId } = options;
  const method = options.method ?? METHODS.sign;
  const request = options.request ?? signRequest('signed', MESSAGE);
  const requestId = options.requestId ?? Uint8Array.from(randomBytes(16));
  const notAfterMs = options.notAfterMs ?? Date.now() + LONGEST_MS;
  const digest = createHash('sha256').update(request).digest();
  const input = signedCallInput(clusterId, { method, requestId, notAfterMs }, digest);
  return {
    method,
    request,
    requestId,
    notAfterMs: BigInt(notAfterMs),
    certificates: [...identity.certificates],
    algorithm: identity.algorithm as CallSignedRequest['algorithm'],
    signature: await identity.sign(input),
  };
}

/** A little less than the enclave takes: its clock and ours are read one after the other. */
const LONGEST_MS = 59_950;

export const encodeSigned = (call: CallSignedRequest): Uint8Array =>
  CallSignedRequest.encode(call).finish();
