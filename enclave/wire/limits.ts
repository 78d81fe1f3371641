/** Every maximum of the link and of the calls, with its reason. */

/** A unary request of a caller. One size of gRPC's own limit stands above it, or the refusal carries no ErrorInfo. */
export const MAX_REQUEST_BYTES = 64 * 1024;

/** Requests that carry a document: genesis manifest, policy. */
export const MAX_DOCUMENT_REQUEST_BYTES = 1024 * 1024;

/** Any answer. */
export const MAX_RESPONSE_BYTES = 4 * 1024 * 1024;

/** gRPC's receive limit on the host: above ours, so that ours is the one that answers. */
export const MAX_GRPC_RECEIVE_BYTES = 2 * 1024 * 1024;

/** A frame: the largest body and room for method, caller's certificates and details. */
export const MAX_FRAME_BYTES = MAX_RESPONSE_BYTES + 64 * 1024;

/** Message payload: what is left of a request of 64 KiB with room for the other fields. */
export const MAX_MESSAGE_BYTES = 60 * 1024;

/** Calls in flight over one link, each way: bounds memory; 64 KiB × 1,024 is 64 MiB. */
export const MAX_IN_FLIGHT = 1024;

/** Answers that the host has not read: sixteen of the largest. Beyond, the link is closed. */
export const MAX_UNREAD_BYTES = 16 * MAX_RESPONSE_BYTES;

/** Certificates of a caller's chain (PROTOCOLS §13). */
export const MAX_CHAIN_LENGTH = 5;

/** One certificate, DER: large RSA certificates with many names stay below. */
export const MAX_CERTIFICATE_BYTES = 16 * 1024;

/** Name of a ring, in characters. */
export const MAX_RING_NAME_LENGTH = 64;

/** Rings of one cluster. */
export const MAX_RINGS = 1024;

/** Depth of signed JSON (PROTOCOLS §1). */
export const MAX_JSON_DEPTH = 8;

/** Signed JSON documents, bytes. */
export const MAX_JSON_BYTES = MAX_DOCUMENT_REQUEST_BYTES;

/**
 * Genesis manifest: 1,024 rings with the longest names and reasons take 430 KiB. It is kept as a record of
 * the store and travels as text in every evidence bundle, so it must stay well below either's limit.
 */
export const MAX_MANIFEST_BYTES = 512 * 1024;

/** A record of the store: the index of 1,024 rings is about 300 KiB. */
export const MAX_RECORD_BYTES = 1024 * 1024;

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
