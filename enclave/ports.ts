/**
 * Every effect the enclave's core has on the world. `core/` sees nothing else: sockets, processes,
 * PKCS#11 and clocks live behind these interfaces, and tests put fakes there.
 */
import type { AlgorithmName } from './wire/algorithm.ts';

// --- platform -----------------------------------------------------------------------------------

/** MR0 (bundles), MR1 (runtime), MR2 (launch manifest): SHA-384, 48 bytes each (docs/spec/measurement.md). */
export type Measurements = readonly [Uint8Array, Uint8Array, Uint8Array];

/** What the platform measured before it started us. */
export interface PlatformIdentity {
  /** Registered word: `simulated`, later `tpm2`, `tsm`, `nitro`. */
  readonly kind: string;
  /** Number of the kind in `clusterId` (PROTOCOLS §2): simulated 0. */
  readonly kindNumber: number;
  readonly simulated: boolean;
  readonly measurements: Measurements;
  /** Security version number of the release. */
  readonly svn: number;
  /** 32 bytes that name the platform itself, not the code; only used to say what changed. */
  readonly platformId: Uint8Array;
}

/** RFC 9334 Attester. */
export interface Attester {
  readonly identity: PlatformIdentity;
  /** Name of the layout of what `quote` returns, for example `sealwright-simulated-quote/v1`. */
  readonly evidenceFormat: string;
  /** DER certificates that endorse the quotes, in the format's order. */
  readonly endorsements: readonly Uint8Array[];
  /** Platform evidence over `reportData`, exactly 64 bytes. Rejects when the platform refuses or is gone. */
  quote(reportData: Uint8Array): Promise<Uint8Array>;
}

/** The closed list of secrets (PROTOCOLS §13). */
export type SecretLabel = 'boot/v1' | 'root/v1';

export interface Sealer {
  /** 32 bytes that only this measurement on this platform gets. Rejects when the platform refuses or is gone. */
  deriveSecret(label: SecretLabel): Promise<Uint8Array>;
}

// --- HSM ----------------------------------------------------------------------------------------

/** CK_TOKEN_INFO as strings, trimmed. */
export interface TokenInfo {
  readonly label: string;
  readonly manufacturer: string;
  readonly model: string;
  readonly serial: string;
  readonly initialised: boolean;
  /** CKF_USER_PIN_COUNT_LOW, _FINAL_TRY or _LOCKED is set: no login may be tried. */
  readonly userPinAtRisk: boolean;
}

/** Attributes read back from a token object after its birth and at each boot. */
export interface TokenObject {
  readonly kind: 'private-key' | 'secret' | 'other';
  /** CKA_ID. */
  readonly id: Uint8Array;
  /** CKA_LABEL. */
  readonly label: string;
  /** Boolean attributes by name without `CKA_`; one that the module does not know is absent. */
  readonly attributes: Readonly<Record<string, boolean>>;
}

export type TokenFailureKind =
  /** The worker, module or device is gone or hung; a later call may succeed. */
  | 'unavailable'
  /** No token with this serial number. */
  | 'token-missing'
  /** No object with this CKA_ID. */
  | 'object-missing'
  /** More than one object with this CKA_ID and class. */
  | 'object-ambiguous'
  /** The object lacks an attribute that it was born with, or signs under another key than the recorded one. */
  | 'object-altered'
  /** The PIN was refused: never retried. */
  | 'pin-rejected'
  /** PIN counter low, final try or locked: not tried. */
  | 'pin-at-risk'
  /** The module refused the request itself; retrying is pointless. */
  | 'request-refused';

/** Thrown by the token port. `rv` is a CKR_* number, or 0 when the module was not asked. */
export class TokenFailure extends Error {
  override readonly name = 'TokenFailure';
  readonly kind: TokenFailureKind;
  readonly rv: number;
  readonly operation: string;
  constructor(kind: TokenFailureKind, operation: string, rv = 0) {
    super(`${operation}: ${kind}`);
    this.kind = kind;
    this.rv = rv;
    this.operation = operation;
  }
}

/** A PIN on its way to an HSM worker. Never printed: inspect() and JSON show nothing (docs/THREAT-MODEL.md). */
export interface Pin {
  /** Copies the PIN's ASCII bytes; the caller overwrites the copy when it has used it. */
  reveal(): Uint8Array;
}

/** A token that could be initialised. */
export interface TokenCandidate {
  readonly info: TokenInfo;
  /** As `Token.missingMechanism`. */
  missingMechanism(algorithm: AlgorithmName): string | undefined;
}

/** The PKCS#11 module before a token is open. */
export interface TokenModule {
  /** Tokens that the module shows, with and without initialisation. */
  listTokens(): Promise<readonly TokenInfo[]>;
  /**
   * The uninitialised token that `initToken` would take; undefined when there is none. Tells before anything is touched what the token can't do.
   */
  candidate(): Promise<TokenCandidate | undefined>;
  /**
   * C_InitToken and C_InitPIN on an uninitialised token. Resolves with the token as it is now.
   */
  initToken(request: {
    readonly label: string;
    readonly soPin: Pin;
    readonly userPin: Pin;
  }): Promise<TokenInfo>;
  /** Opens the pool on the token with this serial number: one login first, and only if it holds, the rest. */
  open(serial: string, userPin: Pin): Promise<Token>;
}

/**
 * A key pair of the token as the enclave recorded it at its birth. Keep one object per key version: the pool
 * remembers by identity what it parsed.
 */
export interface TokenKey {
  /** CKA_ID. */
  readonly id: Uint8Array;
  readonly algorithm: AlgorithmName;
  /** DER of the SubjectPublicKeyInfo: what signatures are verified under before they leave the pool. */
  readonly publicKey: Uint8Array;
}

/** An open token: a pool of workers, each with one session. Every call may throw TokenFailure. */
export interface Token {
  readonly info: TokenInfo;
  /** The name (CKM_…) of the first mechanism that the token lacks for this algorithm, or undefined. */
  missingMechanism(algorithm: AlgorithmName): string | undefined;
  /** Workers that are logged in at this moment. */
  workersReady(): number;
  /** Every CKA_PRIVATE object. */
  inventory(): Promise<readonly TokenObject[]>;
  generateKeyPair(request: {
    readonly id: Uint8Array;
    readonly label: string;
    readonly algorithm: AlgorithmName;
  }): Promise<{ readonly publicKey: Uint8Array; readonly object: TokenObject }>;
  generateSecret(request: {
    readonly id: Uint8Array;
    readonly label: string;
  }): Promise<TokenObject>;
  /**
   * `input` is the digest; for EdDSA the message. ECDSA comes back as P1363, all others in their only form.
   * RSA and EdDSA signatures are verified under `key.publicKey` before they are released. An ECDSA signature is not
   * (node:crypto verifies no bare digest), but whenever a worker finds the key anew, it signs and verifies a test
   * message first.
   */
  sign(key: TokenKey, input: Uint8Array): Promise<Uint8Array>;
  /** HMAC-SHA-256, 32 bytes, with the secret of this CKA_ID. */
  hmac(id: Uint8Array, data: Uint8Array): Promise<Uint8Array>;
  /** Destroys every CKA_PRIVATE object (key pair, secret) with this CKA_ID; none is no error. */
  destroy(id: Uint8Array): Promise<void>;
  close(): Promise<void>;
}

// --- host store ---------------------------------------------------------------------------------

export interface StoreRecord {
  readonly key: string;
  readonly value: Uint8Array;
}

/** The host's storage. Untrusted: what comes back is checked against the index (docs/spec/state-index.md). */
export interface HostStore {
  /** Those that exist, by key. */
  get(keys: readonly string[]): Promise<ReadonlyMap<string, Uint8Array>>;
  /** Writes and removes in one transaction; resolves when the host says that it is durable. */
  put(records: readonly StoreRecord[], remove: readonly string[]): Promise<void>;
  /** A hint, never evidence. */
  list(prefix: string): Promise<readonly string[]>;
}

/** What the host says that it has of the log. */
export interface LogState {
  readonly size: number;
  /** The sealed edge of the last batch; empty when the log is. */
  readonly sealedEdge: Uint8Array;
}

/** The host's copy of the log. Untrusted: checked against the sealed edge and the index (docs/spec/log.md). */
export interface LogStore {
  /**
   * Resolves when the batch is durable. Retries the same bytes for as long as it takes; `onStall` is called
   * when that is longer than callers should wait. Rejects when the disk failed or the host holds something
   * else at this place: then the enclave halts.
   */
  append(
    firstIndex: number,
    leaves: readonly Uint8Array[],
    sealedEdge: Uint8Array,
    onStall: () => void,
  ): Promise<void>;
  state(): Promise<LogState>;
  /** At least one leaf of those asked for, in order; fewer at the host's will. */
  read(firstIndex: number, count: number): Promise<readonly Uint8Array[]>;
  /** For readers; may be lost. */
  publishCheckpoint(checkpoint: string): void;
}

/** What the anchor holds (PROTOCOLS §5). */
export interface AnchorValue {
  readonly clusterId: Uint8Array;
  readonly epoch: bigint;
  readonly indexDigest: Uint8Array;
  readonly logSize: bigint;
  readonly logRoot: Uint8Array;
  readonly instanceId: Uint8Array;
}

/** The place outside the host's reach that remembers which index is current. */
export interface Anchor {
  /** Word for claims: `none`, later `hsm-object`, `tpm-nv`, `witness`. */
  readonly kind: string;
  /** undefined only for kind `none`. */
  read(): Promise<AnchorValue | undefined>;
  write(value: AnchorValue): Promise<void>;
}

// --- the rest -----------------------------------------------------------------------------------

export interface Clock {
  /** Monotonic milliseconds from an arbitrary origin. */
  monotonicMs(): number;
  /** Milliseconds since the Unix epoch as the enclave believes them (PROTOCOLS §11). */
  wallMs(): number;
}

export interface Entropy {
  /** Fresh random bytes, never pooled. */
  bytes(length: number): Uint8Array;
}

/** Everything outside the core. */
export interface Ports {
  readonly attester: Attester;
  readonly sealer: Sealer;
  readonly tokens: TokenModule;
  readonly store: HostStore;
  readonly logStore: LogStore;
  readonly anchor: Anchor;
  readonly clock: Clock;
  readonly entropy: Entropy;
}
