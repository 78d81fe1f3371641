import {
  MAX_BATCH_REQUEST_BYTES,
  MAX_COMMIT_GENESIS_REQUEST_BYTES,
  MAX_DOCUMENT_REQUEST_BYTES,
  MAX_EMERGENCY_REQUEST_BYTES,
  MAX_POLICY_REQUEST_BYTES,
  MAX_REQUEST_BYTES,
  MAX_SESSION_MESSAGE_BYTES,
  MAX_SIGNED_CALL_BYTES,
} from './limits.ts';

/** The methods of the link: full gRPC paths towards the enclave, `store/…` words towards the host. */
export const METHODS = {
  sign: '/sealwright.v1.SigningService/Sign',
  signBatch: '/sealwright.v1.SigningService/SignBatch',
  getKey: '/sealwright.v1.KeyService/GetKey',
  listKeys: '/sealwright.v1.KeyService/ListKeys',
  getStatus: '/sealwright.v1.StatusService/GetStatus',
  proposeGenesis: '/sealwright.v1.GenesisService/ProposeGenesis',
  commitGenesis: '/sealwright.v1.GenesisService/CommitGenesis',
  explain: '/sealwright.v1.PolicyService/Explain',
  getPolicy: '/sealwright.v1.PolicyService/GetPolicy',
  applyPolicy: '/sealwright.v1.PolicyService/ApplyPolicy',
  applyEmergency: '/sealwright.v1.PolicyService/ApplyEmergency',
  getEvidence: '/sealwright.v1.AttestationService/GetEvidence',
  openSession: '/sealwright.v1.SessionService/OpenSession',
  callSession: '/sealwright.v1.SessionService/CallSession',
  streamSession: '/sealwright.v1.SessionService/StreamSession',
  callSigned: '/sealwright.v1.SessionService/CallSigned',
} as const satisfies Record<string, string>;

/** Methods whose requests may be larger than MAX_REQUEST_BYTES. */
const LARGE_REQUESTS = new Map<string, number>([
  [METHODS.proposeGenesis, MAX_DOCUMENT_REQUEST_BYTES],
  [METHODS.commitGenesis, MAX_COMMIT_GENESIS_REQUEST_BYTES],
  [METHODS.signBatch, MAX_BATCH_REQUEST_BYTES],
  [METHODS.applyPolicy, MAX_POLICY_REQUEST_BYTES],
  [METHODS.applyEmergency, MAX_EMERGENCY_REQUEST_BYTES],
  [METHODS.openSession, MAX_SESSION_MESSAGE_BYTES],
  [METHODS.callSession, MAX_SESSION_MESSAGE_BYTES],
  [METHODS.streamSession, MAX_SESSION_MESSAGE_BYTES],
  [METHODS.callSigned, MAX_SIGNED_CALL_BYTES],
]);

/** Largest request of a method, in bytes. */
export function maxRequestBytes(method: string): number {
  return LARGE_REQUESTS.get(method) ?? MAX_REQUEST_BYTES;
}

/**
 * What may be called inside a session. Not a session in a session, and not a genesis: before it there is no cluster whose
 * enclave a session could be opened with.
 */
export const SESSION_CALLS: ReadonlySet<string> = new Set([
  METHODS.sign,
  METHODS.signBatch,
  METHODS.getKey,
  METHODS.listKeys,
  METHODS.getStatus,
  METHODS.explain,
  METHODS.getPolicy,
  METHODS.applyPolicy,
  METHODS.applyEmergency,
  METHODS.getEvidence,
]);

/** Ends the session that it is called in. There is no such call outside. */
export const END_SESSION = '/sealwright.v1.SessionService/EndSession';

/** Calls whose caller is proved by what they carry: the host has nothing to say about it. */
export const PROVED_INSIDE: ReadonlySet<string> = new Set([
  METHODS.openSession,
  METHODS.callSession,
  METHODS.streamSession,
  METHODS.callSigned,
]);

/** What may be called by `CallSigned`: what admins approve carries its own signatures. */
export const SIGNED_CALLS: ReadonlySet<string> = new Set(
  [...SESSION_CALLS].filter(
    (method) => method !== METHODS.applyPolicy && method !== METHODS.applyEmergency,
  ),
);

export const STORE_METHODS = {
  get: 'store/get',
  put: 'store/put',
  list: 'store/list',
} as const satisfies Record<string, string>;

/** What the host says on its own account. */
export const HOST_METHODS = {
  /** No more calls will come: the enclave writes its log's head while there still is a store. */
  drained: 'host/drained',
} as const satisfies Record<string, string>;

/** The host's copy of the log. */
export const LOG_METHODS = {
  append: 'log/append',
  state: 'log/state',
  read: 'log/read',
  checkpoint: 'log/checkpoint',
} as const satisfies Record<string, string>;
