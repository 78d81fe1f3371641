/** From verified evidence to an open session: once, or with evidence verified anew as often as that can help. */
import { randomInt } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { utf8 } from '../../../enclave/wire/bytes.ts';
import { SESSION_OPENING_MS } from '../../../enclave/wire/limits.ts';
import { METHODS } from '../../../enclave/wire/methods.ts';
import {
  openSession,
  type ClientIdentity,
  type Opening,
} from '../../../enclave/wire/session/client.ts';
import { MAX_SESSION_CHECKPOINT_BYTES } from '../../../enclave/wire/session/open-message.ts';
import { suiteOf } from '../../../enclave/wire/session/suites.ts';
import type { Attestation } from '../attested.ts';
import type { Checkpoints } from '../checkpoints.ts';
import { RequestError } from '../sdk/errors.ts';
import type { Carrier } from './carrier.ts';
import { NotOpened } from './not-opened.ts';
import { brokenRule } from './refusal.ts';
import { Session } from './session.ts';
import { saysThatSessionIsGone } from './weather.ts';

export interface SessionSource {
  /** Fresh evidence, verified and appraised. */
  readonly attest: () => Promise<Attestation>;
  readonly identity: ClientIdentity;
  readonly carrier: Carrier;
  readonly checkpoints: Checkpoints;
}

/** An enclave that restarts between evidence and Open is bad luck once; a certificate that no policy knows is refused always. */
const MAX_OPENINGS = 3;
const PAUSE_MS = 100;
const JITTER_STEPS = 1_000;

const NOTHING = new Uint8Array(0);

/**
 * Rejects with NotBelieved, SignerError and RequestError; with NotOpened when openings were refused, each with evidence
 * that was verified anew.
 */
export async function openOrGiveUp(source: SessionSource): Promise<Session> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await openOnce(source);
    } catch (error) {
      if (!(error instanceof NotOpened) || tries === MAX_OPENINGS) throw error;
      await sleep(PAUSE_MS * tries * (0.5 + randomInt(JITTER_STEPS) / (2 * JITTER_STEPS)));
    }
  }
}

async function openOnce(source: SessionSource): Promise<Session> {
  const { carrier, checkpoints } = source;
  const attestation = await source.attest();
  const lastSeen = await checkpoints.newest(attestation.log);
  try {
    const opening = await openingFor(attestation, source.identity, utf8(lastSeen?.note ?? ''));
    const accept = await opened(carrier.open(opening.message, { timeoutMs: SESSION_OPENING_MS }));
    const result = await opening.finish(accept);
    const session = new Session(result, attestation, carrier, performance.now());
    const head = new TextDecoder().decode(result.facts.checkpoint);
    try {
      // A session counts from its first record on, which must come soon; a call of the caller's may not.
      const first = session.call(METHODS.getStatus, NOTHING, { timeoutMs: SESSION_OPENING_MS });
      await Promise.all([opened(first), checkpoints.meet(head, attestation, lastSeen)]);
    } catch (error) {
      void session.retire();
      throw error;
    }
    return session;
  } catch (error) {
    throw brokenRule(error);
  }
}

/** Of anything else than an opening the host may say as much: that refuses no session. */
async function opened<T>(step: Promise<T>): Promise<T> {
  try {
    return await step;
  } catch (error) {
    if (!saysThatSessionIsGone(error)) throw error;
    throw new NotOpened('the opening was refused', { cause: error });
  }
}

async function openingFor(
  { claims, evidence }: Attestation,
  identity: ClientIdentity,
  lastCheckpoint: Uint8Array,
): Promise<Opening> {
  const { clusterId, hpkeKey } = claims;
  const { evidenceDigest } = evidence;
  requireCheckpointFits(lastCheckpoint);
  try {
    return await openSession({
      target: { suite: suiteOf(claims.suite), clusterId, evidenceDigest },
      hpkeKey,
      identity,
      clientTimeMs: Date.now(),
      lastCheckpoint,
    });
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    const problem = 'the chain of identity.cert is too long: it does not fit into an Open';
    throw new RequestError('IDENTITY_UNUSABLE', problem, { field: 'cert' });
  }
}

function requireCheckpointFits({ byteLength }: Uint8Array): void {
  if (byteLength <= MAX_SESSION_CHECKPOINT_BYTES) return;
  const limitBytes = String(MAX_SESSION_CHECKPOINT_BYTES);
  throw new RequestError(
    'CHECKPOINT_UNUSABLE',
    `lastCheckpoint has ${String(byteLength)} bytes, and an Open takes ${limitBytes}: leave signatures of others away`,
    { field: 'lastCheckpoint', limitBytes, actualBytes: String(byteLength) },
  );
}
