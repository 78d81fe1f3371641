/**
 * Every effect the enclave's core has on the world. `core/` sees nothing else: sockets, processes,
 * PKCS#11 and clocks live behind these interfaces, and tests put fakes there.
 */
import type { AlgorithmName } from './wire/algorithm.ts';
import type { Hardening } from './wire/hardening.ts';
import type { SuiteNumber } from './wire/session/suites.ts';

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

/** Thrown by the platform's ports. `refused`: it answers, and not this. `silent`: no answer in time. */
export class PlatformFailure extends Error {
  override readonly name = 'PlatformFailure';
  readonly kind: 'refused' | 'silent' | 'gone';
  constructor(kind: 'refused' | 'silent' | 'gone') {
    super(kind);
    this.kind = kind;
  }
}

/** RFC 9334 Attester. */
export interface Attester {
  readonly identity: PlatformIdentity;
  /** Name of the layout of what `quote` returns, for example `sealwright-simulated-quote/v1`. */
  readonly evidenceFormat: string;
  /** DER certificates that endorse the quotes, in the format's order. */
  readonly endorsements: readonly Uint8Array[];
  /** Platform evidence over `reportData`, exactly 64 bytes. Throws PlatformFailure. */
  quote(reportData: Uint8Array): Promise<Uint8Array>;
}

/** The closed list of secrets (PROTOCOLS §13). */
export type SecretLabel = 'boot/v1' | 'root/v1';

export interface Sealer {
  /** 32 bytes that only this measurement on this platform gets. Throws PlatformFailure. */
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

/**
 * Thrown by the token port. `rv` is a CKR_* number, or 0 when the module was not asked; `objectId` the CKA_ID in hex of
 * the object that it is about, where there is one.
 */
export class TokenFailure extends Error {
  override readonly name = 'TokenFailure';
  readonly kind: TokenFailureKind;
  readonly rv: number;
  readonly operation: string;
  readonly objectId: string | undefined;
  constructor(kind: TokenFailureKind, operation: string, rv = 0, objectId?: string) {
    super(`${operation}: ${kind}`);
    this.kind = kind;
    this.rv = rv;
    this.operation = operation;
    this.objectId = objectId;
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
  /**
   * Resolves when signing must not go on, at most once: the PIN was refused or is at risk, or an object is not what was
   * recorded of it. A token that is merely away does not break: it may come back. Resolves before the call that found
   * it out rejects.
   */
  readonly broken: Promise<TokenFailure>;
  /** The name (CKM_…) of the first mechanism that the token lacks for this algorithm, or undefined. */
  missingMechanism(algorithm: AlgorithmName): string | undefined;
  /** Workers that are logged in at this moment. */
  workersReady(): number;
  /** Whether it has made a wrong signature since it was opened. None was released. */
  signedWrong(): boolean;
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
   * `input` is the digest; for EdDSA the message. ECDSA comes back as P1363, all others in their only form. The
   * signature was verified under `key.publicKey`; `message`, where `input` is its digest and it is known, makes that
   * cheaper. Whenever a worker finds the key anew, it signs and verifies a test message first.
   */
  sign(key: TokenKey, input: Uint8Array, message?: Uint8Array): Promise<Uint8Array>;
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
  /** Resolves when everything that is due by now has had its turn. */
  turn(): Promise<void>;
}

/** Why this process must not serve, whatever else is right. */
export interface LaunchFault {
  readonly reason: 'LAUNCH_UNSAFE' | 'HARDENING_MISSING';
  readonly details: Readonly<Record<string, string>>;
}

/** The process that the enclave is (docs/spec/evidence.md, "Hardening"). */
export interface OwnProcess {
  /** Found at the start. */
  readonly fault: LaunchFault | undefined;
  /** What shields it now, or did a second ago, in the order of HARDENING. */
  hardening(): readonly Hardening[];
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
  readonly process: OwnProcess;
  /** Of HPKE keys and sessions, for as long as this process lives (docs/spec/session.md, "Suites"). */
  readonly suite: SuiteNumber;
}
