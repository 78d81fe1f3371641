/** From verified evidence to an open session: once, or with evidence verified anew as often as that can help. */
import { randomInt } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { utf8 } from '../../../enclave/wire/bytes.ts';
import { SESSION_OPENING_MS } from '../../../enclave/wire/limits.ts';
import { METHODS } from '../../../enclave/wire/methods.ts';
import { openSession, type ClientIdentity } from '../../../enclave/wire/session/client.ts';
import { suiteOf } from '../../../enclave/wire/session/suites.ts';
import type { AttestedClient } from '../attested.ts';
import type { Checkpoints } from '../checkpoints.ts';
import type { Carrier } from './carrier.ts';
import { NotOpened } from './not-opened.ts';
import { brokenRule } from './refusal.ts';
import { Session } from './session.ts';
import { saysThatSessionIsGone } from './weather.ts';

export interface SessionSource {
  readonly attested: AttestedClient;
  readonly identity: ClientIdentity;
  readonly carrier: Carrier;
  readonly checkpoints: Checkpoints;
}

/** An enclave that restarts between evidence and Open is bad luck once; a certificate that no policy knows is refused always. */
const MAX_OPENINGS = 3;
const PAUSE_MS = 100;
const JITTER_STEPS = 1_000;

const NOTHING = new Uint8Array(0);

/** Rejects with NotBelieved, SignerError and NotOpened. */
export async function openOrGiveUp(source: SessionSource): Promise<Session> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await openOnce(source);
    } catch (error) {
      if (!saysThatSessionIsGone(error)) throw error;
      if (tries === MAX_OPENINGS) throw new NotOpened('every Open was refused', { cause: error });
      await sleep(PAUSE_MS * tries * (0.5 + randomInt(JITTER_STEPS) / (2 * JITTER_STEPS)));
    }
  }
}

async function openOnce({
  attested,
  identity,
  carrier,
  checkpoints,
}: SessionSource): Promise<Session> {
  const attestation = await attested.attest();
  const { claims, evidence, log } = attestation;
  const lastSeen = await checkpoints.newest(log);
  const opening = await openSession({
    target: {
      suite: suiteOf(claims.suite),
      clusterId: claims.clusterId,
      evidenceDigest: evidence.evidenceDigest,
    },
    hpkeKey: claims.hpkeKey,
    identity,
    clientTimeMs: Date.now(),
    lastCheckpoint: lastSeen === undefined ? NOTHING : utf8(lastSeen.note),
  });
  const accept = await carrier.open(opening.message, { timeoutMs: SESSION_OPENING_MS });
  try {
    const opened = await opening.finish(accept);
    const session = new Session(opened, attestation, carrier, performance.now());
    const head = new TextDecoder().decode(opened.facts.checkpoint);
    // A session counts from its first record on, which must come soon; a call of ours may not.
    const first = session.call(METHODS.getStatus, NOTHING, { timeoutMs: SESSION_OPENING_MS });
    await Promise.all([first, checkpoints.meet(head, attestation, lastSeen)]);
    return session;
  } catch (error) {
    throw brokenRule(error);
  }
}
