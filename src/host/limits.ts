/**
 * Every maximum of the host, with its reason. Those of calls and frames stand in enclave/wire/limits.ts.
 * The host is where strangers connect: each line bounds memory or time that one of them can take.
 */
import { MAX_IN_FLIGHT } from '../../enclave/wire/limits.ts';

/** Calls being answered. A few below the link's own limit, so that asking for the phase always goes through. */
export const MAX_OPEN_CALLS = MAX_IN_FLIGHT - 8;

/** Streams of sessions, watch and reflection streams: they may live long, so they have a count of their own. */
export const MAX_OPEN_STREAMS = 256;

/** A unary request arrives whole within this time, or its sender is only holding our memory. */
export const REQUEST_ARRIVAL_MS = 10_000;

/** Of these, streams of records of one caller: nobody keeps all others out. */
export const MAX_RECORD_STREAMS_OF_CALLER = MAX_OPEN_STREAMS / 4;

/** Records of one stream that wait for the enclave's answer: 4 MiB at most, and enough to keep a connection busy. */
export const MAX_RECORDS_OF_STREAM = 64;

/** A stream of records ends when nothing came for so long: whoever goes on begins another. */
export const STREAM_IDLE_MS = 60_000;

/** A reflection client asks a few questions and leaves. */
export const REFLECTION_STREAM_MS = 60_000;

/**
 * Bytes of requests that have not fully arrived, over all connections: without it, every open call
 * could hold gRPC's receive limit. Some twenty of the largest.
 */
export const MAX_ARRIVING_BYTES = 64 * 1024 * 1024;

/** Streams of one connection: the number that gRPC clients assume (RFC 9113 §6.5.2 advises 100 or more). */
export const MAX_STREAMS_PER_CONNECTION = 128;

/** Answers that wait for a client which doesn't read, per connection, in MB (Node's unit). */
export const MAX_SESSION_MEMORY_MB = 32;

/** TLS handshakes that have not ended. When another begins, one of the older half goes: that which said least. */
export const MAX_HANDSHAKES = 256;

/** Connections without a usable certificate: health probes and strangers. The oldest goes first. */
export const MAX_ANONYMOUS_CONNECTIONS = 128;

/** Connections with a certificate, and those of one Unix socket. Further ones are closed at once. */
export const MAX_CALLER_CONNECTIONS = 2048;

/** A slow handshake is an attack or a dead line; the slowest honest ones take two round trips. */
export const HANDSHAKE_MS = 5_000;

/** A connection on which nothing was called for so long is closed; clients reconnect by themselves. */
export const CONNECTION_IDLE_MS = 300_000;

/** A peer that vanished without a word is noticed by a ping after this time … */
export const KEEPALIVE_TIME_MS = 60_000;

/** … and this much patience. */
export const KEEPALIVE_TIMEOUT_MS = 20_000;

/** Bytes that wait for an enclave which doesn't read. Beyond, calls are refused … */
export const LINK_BUSY_BYTES = 16 * 1024 * 1024;

/** … and beyond this the link is closed: twice what all calls in flight can need. */
export const LINK_STUCK_BYTES = 128 * 1024 * 1024;

/** First and longest wait before the link is tried again. An enclave restarts in well under a second. */
export const RECONNECT_FIRST_MS = 20;
export const RECONNECT_LONGEST_MS = 500;

/** How often the enclave is asked for its phase: often while somebody waits for it to serve. */
export const POLL_WAITING_MS = 250;
export const POLL_SERVING_MS = 1_000;

/** An enclave that does not tell its phase in this time is not serving. */
export const POLL_DEADLINE_MS = 2_000;

/** After the last call of a drain, its answer gets this long to leave. */
export const GOODBYE_MS = 500;

/** Certificate files are looked at this often; a renewal is in use a few seconds later. */
export const TLS_WATCH_MS = 2_000;

/** Log lines per second; the rest is counted. A flood of refused calls must not fill the disk. */
export const MAX_LOG_LINES_PER_SECOND = 200;

/** Another host that is just ending may hold the store's lock for this long. */
export const STORE_LOCK_WAIT_MS = 2_000;

/** Store calls that wait for the disk; the enclave makes one state change at a time. */
export const MAX_STORE_QUEUE = 256;

/** HTTP front: probes and a scraper need few connections and small headers. */
export const HTTP_MAX_CONNECTIONS = 64;
export const HTTP_MAX_HEADER_BYTES = 8 * 1024;
export const HTTP_REQUEST_MS = 5_000;

/**
 * ErrorInfo metadata in UTF-8 bytes, and a message's characters. gRPC's C core refuses trailers of more than
 * 8 KiB by default, and base64 makes a third more of them.
 */
export const MAX_ERROR_METADATA_BYTES = 2_048;
export const MAX_ERROR_MESSAGE_LENGTH = 512;

/** sun_path is 108 bytes with its final zero (unix(7)). */
export const MAX_SOCKET_PATH_BYTES = 107;
