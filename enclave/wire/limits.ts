/** Every maximum of the link and of the calls, with its reason. */

/** A unary request of a caller. One size of gRPC's own limit stands above it, or the refusal carries no ErrorInfo. */
export const MAX_REQUEST_BYTES = 64 * 1024;

/** Requests that carry a document: genesis manifest, policy. */
export const MAX_DOCUMENT_REQUEST_BYTES = 1024 * 1024;

/** A batch of requests: as many bytes as a document, or as 16 of the largest unary requests. */
export const MAX_BATCH_REQUEST_BYTES = 1024 * 1024;

/**
 * Items of a batch. The largest answer to one has 8 KiB: an ML-DSA-87 signature of 4,627 bytes, a leaf of 900, and an
 * inclusion proof of 53 hashes when it is a repeated one. So 2 MiB at most, half of what an answer may have.
 */
export const MAX_BATCH_ITEMS = 256;

/**
 * Items of all batches that are being signed, together: half of the calls that may wait for the HSM or the log, so
 * that batches leave the other half to single calls. Two of the largest, so that one is written while one is signed.
 */
export const MAX_BATCH_ITEMS_SIGNING = 512;

/**
 * Signatures of one batch that are under way in the HSM or on the thread pool: enough to keep four workers busy, and
 * few enough that a single call behind them waits for milliseconds.
 */
export const MAX_BATCH_SIGNATURES_AT_ONCE = 16;

/**
 * Batches that sign give the event loop to others this often. Only the append of a batch and its answer are not divided:
 * two milliseconds each for the largest.
 */
export const BATCH_SLICE_MS = 1;

/** Batches that wait for their turn: a quarter of the calls in flight, so that single calls find room. */
export const MAX_BATCHES_WAITING = 256;

/** Of these, those of one caller. */
export const MAX_BATCHES_WAITING_OF_CALLER = 16;

/** Batches that wait for their turn, in bytes, each at least a unary request: as much as unary calls in flight. */
export const MAX_BATCH_BYTES_WAITING = 64 * 1024 * 1024;

/** Of these, those of one caller: four greedy ones are needed before a fifth is turned away. */
export const MAX_BATCH_BYTES_WAITING_OF_CALLER = MAX_BATCH_BYTES_WAITING / 4;

/** How long a retry gets the answer of before (PROTOCOLS §13). */
export const REQUEST_ID_MS = 10 * 60 * 1000;

/** Answers kept for retries, by number and by bytes: 2 KiB is a usual one. */
export const MAX_KEPT_ANSWERS = 32_768;
export const MAX_KEPT_BYTES = 64 * 1024 * 1024;

/** Those of one caller: half, so that a caller alone has a window of seconds, and can't have it all. */
export const MAX_KEPT_ANSWERS_OF_CALLER = MAX_KEPT_ANSWERS / 2;
export const MAX_KEPT_BYTES_OF_CALLER = MAX_KEPT_BYTES / 2;

/** Any answer. */
export const MAX_RESPONSE_BYTES = 4 * 1024 * 1024;

/** gRPC's receive limit on the host: above ours, so that ours is the one that answers. */
export const MAX_GRPC_RECEIVE_BYTES = 3 * 1024 * 1024;

/** A frame: the largest body and room for method, caller's certificates and details. */
export const MAX_FRAME_BYTES = MAX_RESPONSE_BYTES + 64 * 1024;

/** Message payload: what is left of a request of 64 KiB with room for the other fields. */
export const MAX_MESSAGE_BYTES = 60 * 1024;

/** Calls in flight over one link, each way: bounds memory; 64 KiB × 1,024 is 64 MiB. Batches are bounded apart. */
export const MAX_IN_FLIGHT = 1024;

/**
 * Bytes of the frames whose calls are in flight, each way: their number does not bound them, because a frame may be
 * 4 MiB of fields that nobody knows. As many calls, each with a full request and as much again.
 */
export const MAX_IN_FLIGHT_BYTES = MAX_IN_FLIGHT * 2 * MAX_REQUEST_BYTES;

/** Answers that the host has not read: sixteen of the largest. Beyond, the link is closed. */
export const MAX_UNREAD_BYTES = 16 * MAX_RESPONSE_BYTES;

/** When so much is unread, no more calls of the host are read: a thousand signatures with their receipts fit. */
export const PAUSE_UNREAD_BYTES = MAX_RESPONSE_BYTES;

/**
 * Fields of one message, those of the messages inside it included: an empty one takes two bytes, and a hundred
 * times that in memory. The largest of ours is a put of two thousand records that removes as many.
 */
export const MAX_MESSAGE_FIELDS = 16 * 1024;

/** Certificates of a caller's chain (PROTOCOLS §13). */
export const MAX_CHAIN_LENGTH = 5;

/** Chains of callers that are remembered with whom they name: half a kilobyte each. */
export const MAX_KNOWN_CHAINS = 4096;

/** One certificate, DER: large RSA certificates with many names stay below. */
export const MAX_CERTIFICATE_BYTES = 16 * 1024;

/** Name of a ring, in characters. */
export const MAX_RING_NAME_LENGTH = 64;

/** Rings of one cluster. */
export const MAX_RINGS = 1024;

/** Approvals of one document: twice the most admins that a policy has, so that newcomers fit. */
export const MAX_APPROVALS = 64;

/** Admins of a policy: more people than can be asked in an emergency. */
export const MAX_ADMINS = 32;

/** Roots of callers: trust domains and private CAs of one organisation. */
export const MAX_CALLER_ROOTS = 64;

/** Callers of a policy: at 100 bytes each they take 1.6 MiB of the document. */
export const MAX_CALLERS = 16_384;

/** Keys that no caller's chain may hold: 64 digits each, 270 KiB. */
export const MAX_DENIED_KEYS = 4096;

/** A policy document: as a record and as a call it stays below 4 MiB. */
export const MAX_POLICY_BYTES = 2 * 1024 * 1024;

/** A policy with its approvals, 4 KiB each, and room for the fields around them. */
export const MAX_POLICY_REQUEST_BYTES = MAX_POLICY_BYTES + MAX_APPROVALS * 4 * 1024 + 4 * 1024;

/** An emergency statement with its approvals. */
export const MAX_EMERGENCY_REQUEST_BYTES = MAX_APPROVALS * 4 * 1024 + 4 * 1024;

/** A cluster id with the approvals of its genesis. */
export const MAX_COMMIT_GENESIS_REQUEST_BYTES = MAX_APPROVALS * 4 * 1024 + 4 * 1024;

/** An emergency statement: its longest members and room. */
export const MAX_EMERGENCY_BYTES = 2048;

/** `notAfter` of an emergency statement lies ahead by a week at most: one that was kept back ends. */
export const MAX_EMERGENCY_MS = 7 * 24 * 3600 * 1000;

/** How far a statement's sequence number may be ahead: no admin alone uses the numbers up, and drafts may be dropped. */
export const MAX_SEQUENCE_STEP = 1000;

/** Rate limits of a policy; above it they limit nothing. */
export const MAX_RATE_PER_SECOND = 100_000;

/** A policy may be applied for a quarter of a year at most: an approval that was kept back ends. */
export const MAX_POLICY_WINDOW_MS = 90 * 24 * 3600 * 1000;

/** `validForSeconds`: time for one look at a clock; ten years. */
export const MIN_VALID_FOR_SECONDS = 60;
export const MAX_VALID_FOR_SECONDS = 10 * 365 * 24 * 3600;

/** Depth of signed JSON (PROTOCOLS §1). */
export const MAX_JSON_DEPTH = 8;

/** Signed JSON documents, bytes. */
export const MAX_JSON_BYTES = MAX_DOCUMENT_REQUEST_BYTES;

/**
 * Genesis manifest: 1,024 rings with the longest names and reasons take 430 KiB. It is kept as a record of
 * the store and travels as text in every evidence bundle, so it must stay well below either's limit.
 */
export const MAX_MANIFEST_BYTES = 512 * 1024;

/**
 * The manifest as a string of JSON, which evidence bundles carry: quotes and backslashes take two bytes there. Claims,
 * approvals and the platform's evidence find room below the bundle's 1 MiB.
 */
export const MAX_MANIFEST_TEXT_BYTES = 768 * 1024;

/** A proposed genesis waits so long for its approvals: admins of other continents sleep once. */
export const PROPOSAL_MS = 24 * 3600 * 1000;

/** A record of the store: the largest policy with the head and tag of its seal. The index has 1 MiB at most. */
export const MAX_RECORD_BYTES = MAX_POLICY_BYTES + 1024;

/** Keys asked for in one read of the store. */
export const MAX_STORE_KEYS = 1024;

/** Longest deadline of a caller; longer ones are cut. */
export const MAX_DEADLINE_MS = 60_000;

/** Deadline of a call whose caller named none. */
export const DEFAULT_DEADLINE_MS = 10_000;

/** The enclave waits this long for the store before a state change counts as failed. */
export const STORE_DEADLINE_MS = 10_000;

/** One operation of an HSM worker. Network HSMs answer in milliseconds; beyond this the library hangs. */
export const HSM_OPERATION_DEADLINE_MS = 3_000;

/** A key pair on a token: RSA on a slow card takes seconds. */
export const HSM_GENERATE_DEADLINE_MS = 30_000;

/** Value of a detail of a refusal, in characters. */
export const MAX_DETAIL_LENGTH = 256;

/**
 * One call of the platform: a quote of the simulated one takes 2 ms, of a TPM below a second. Ten times that, for a
 * machine under load. Beyond, the call has failed; what comes later is dropped.
 */
export const PLATFORM_DEADLINE_MS = 10_000;

/**
 * Calls that the platform has not answered, given up or not: boot needs two, renewal one, fresh quotes at most two a
 * second. A platform that hangs must not make them pile up.
 */
export const MAX_PLATFORM_CALLS = 16;

/** After a renewal of evidence that failed: the first pause, doubled each time up to the longest. */
export const RENEWAL_PAUSE_MS = 1_000;
export const MAX_RENEWAL_PAUSE_MS = 60_000;

/** Records of one direction of a session (docs/spec/session.md): far below what either AEAD allows under one key. */
export const MAX_SESSION_RECORDS = 2 ** 24;

/** Streams of a session that are open at once. */
export const MAX_SESSION_STREAMS = 64;

/** Records of unary calls may overtake each other by this much: four times the calls in flight. */
export const SESSION_WINDOW = 4096;

/** Open, or a record, in its gRPC message: 64 KiB sealed, with header, tag and the fields around them. */
export const MAX_SESSION_MESSAGE_BYTES = MAX_REQUEST_BYTES + 1024;

/** A signed call: the largest request that may be made so, a chain, and room for the rest. */
export const MAX_SIGNED_CALL_BYTES =
  MAX_BATCH_REQUEST_BYTES + MAX_CHAIN_LENGTH * MAX_CERTIFICATE_BYTES + 4 * 1024;

/** Requests that have arrived in part, in bytes: of a session, twice the largest; of all, as much as calls in flight. */
export const MAX_PARTS_BYTES_OF_SESSION = 6 * 1024 * 1024;
export const MAX_PARTS_BYTES = 64 * 1024 * 1024;

/** What a part takes beside the plaintext that it came in, by measurement: empty ones must not be free. */
export const PART_OVERHEAD_BYTES = 1024;

/** Records of one request: six times those that the largest needs. */
export const MAX_PARTS = 256;

/** Life of a session: a caller that lost its rights by a lapsed certificate or a stolen key is out after that at the latest. */
export const SESSION_MS = 60 * 60 * 1000;

/** From Accept to the first record, and for the caller from Open to Accept. */
export const SESSION_OPENING_MS = 10_000;

/** Sessions without a record yet, in all, and of one principal: eight of them are needed to keep a ninth out. */
export const MAX_HALF_OPEN_SESSIONS = 256;
export const MAX_HALF_OPEN_OF_PRINCIPAL = 32;

/** Openings of one principal: twice its sessions at once, when all its instances start together, and then so many a second. */
export const MAX_OPENINGS_AT_ONCE = 128;
export const MAX_OPENINGS_PER_SECOND = 16;

/** Sessions of one principal: an instance of its program has one, or two while it succeeds the first. */
export const MAX_SESSIONS_OF_PRINCIPAL = 64;

/** Sessions in all: 2 KiB each, so 32 MiB. */
export const MAX_SESSIONS = 16_384;

/** One that was idle for so long gives its place to a new one when there is no other. */
export const SESSION_IDLE_MS = 60_000;

/** Private keys of evidence live on for so long when it is replaced: for callers who have just verified it (PROTOCOLS §2). */
export const REPLACED_KEY_MS = 120_000;

/** Openings under one HPKE key, all of which are remembered: 16 MiB. */
export const MAX_OPENINGS_OF_KEY = 2 ** 16;

/** How far ahead a signed call may be void: that long its id is remembered, and that long a start refuses (docs/spec/signed-call.md). */
export const SIGNED_CALL_MS = 60_000;

/** Ids of signed calls that are remembered: four thousand a second, half of what one core verifies; 150 bytes each, 40 MiB. */
export const MAX_SIGNED_CALLS = 262_144;

/** Those of one principal: a thousand calls a second, and three others keep their places. */
export const MAX_SIGNED_CALLS_OF_PRINCIPAL = MAX_SIGNED_CALLS / 4;
