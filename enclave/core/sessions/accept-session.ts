/**
 * The enclave's side of an opening (docs/spec/session.md, "Open", "Accept"): from the bytes that the host brought to a
 * half-open session and the bytes that go back. Who a chain is, what the log says and what time it is come in as ports.
 */
import { identityInLeaf } from '../../log/leaf.ts';
import type { Clock, Entropy } from '../../ports.ts';
import { LayoutError } from '../../wire/byte-cursor.ts';
import { MAX_SESSION_RECORDS, MAX_SESSION_STREAMS, SESSION_MS } from '../../wire/limits.ts';
import type { IdentifiedChain } from '../../wire/policy/chain.ts';
import {
  encodeAccept,
  encodeAcceptContent,
  SESSION_ID_BYTES,
  type SessionFacts,
} from '../../wire/session/accept-message.ts';
import { nodeAead } from '../../wire/session/node-aead.ts';
import { EnclaveRecords } from '../../wire/session/enclave-records.ts';
import type { Hpke } from '../../wire/session/hpke.ts';
import { HpkeError, type HpkePair, type RecipientContext } from '../../wire/session/hpke.ts';
import {
  parseOpen,
  parseOpenContent,
  type OpenContent,
  type OpenMessage,
} from '../../wire/session/open-message.ts';
import { isSuiteNumber, SUITES, type SuiteNumber } from '../../wire/session/suites.ts';
import {
  acceptBinding,
  clientSignatureInput,
  h1,
  openInfo,
  sealAccept,
  type Target,
} from '../../wire/session/transcript.ts';
import { checkCallerSignature } from '../client-signature.ts';
import type { SeenOpenings } from './seen-openings.ts';
import type { SessionTable } from './session-table.ts';

/** Why an opening is refused, as docs/spec/session.md names it. To the caller all of them are one. */
export type OpenRule =
  | 'message'
  | 'suite'
  | 'evidence'
  | 'length'
  | 'replayed'
  | 'hpke'
  | 'content'
  | 'caller'
  | 'signature'
  | 'checkpoint'
  | 'client-key'
  | 'limit'
  | 'key-used-up';

export class OpenRefused extends Error {
  override readonly name = 'OpenRefused';
  readonly rule: OpenRule;
  constructor(rule: OpenRule) {
    super(rule);
    this.rule = rule;
  }
}

/** An HPKE key of evidence that is, or until 120 s ago was, current. */
export interface OpeningKey {
  readonly target: Target;
  readonly hpke: Hpke;
  readonly pair: HpkePair;
  readonly seen: SeenOpenings;
}

export interface AcceptPorts {
  readonly clock: Clock;
  readonly entropy: Entropy;
  readonly table: SessionTable;
  /** Undefined for evidence that is not, or no longer, ours. */
  keyFor(suite: SuiteNumber, evidenceDigest: Uint8Array): OpeningKey | undefined;
  /** Undefined for a chain that says nothing about anybody, and for somebody whom the policy does not know. */
  identify(certificates: readonly Uint8Array[], nowMs: number): IdentifiedChain | undefined;
  /** Judges the last checkpoint that an authentic caller saw; gives the log's own. Undefined for one that is none of ours. */
  exchangeCheckpoints(lastCheckpoint: Uint8Array): Uint8Array | undefined;
  policyVersion(): number;
}

/** The half-open session is in the table. */
export interface AcceptedOpening {
  /** Accept, for the caller. */
  readonly message: Uint8Array;
  readonly facts: SessionFacts;
}

/** Throws OpenRefused, and what `exchangeCheckpoints` throws. */
export async function acceptSession(
  message: Uint8Array,
  ports: AcceptPorts,
): Promise<AcceptedOpening> {
  const open = decoded('message', () => parseOpen(message));
  const key = openingKey(open, ports);
  const info1 = openInfo(key.target);
  const { first, plaintext } = await fromPeer('hpke', async () => {
    const context = await key.hpke.recipient(key.pair, open.enc1, info1);
    return { first: context, plaintext: await context.open(open.ct1) };
  });
  const content = decoded('content', () => parseOpenContent(plaintext));
  const hash1 = await h1(info1, open.enc1, content.hello);
  const caller = authenticate(content, hash1, ports);
  // Before the rest is done for it; what is true at the end is asked again.
  if (!ports.table.takeOpening(caller.identity, ports.clock.monotonicMs())) {
    throw new OpenRefused('limit');
  }
  return accept({ key, open, first, content, hash1, caller }, ports);
}

function openingKey({ suite, evidenceDigest, enc1 }: OpenMessage, ports: AcceptPorts): OpeningKey {
  if (!isSuiteNumber(suite)) throw new OpenRefused('suite');
  const key = ports.keyFor(suite, evidenceDigest);
  if (key === undefined) throw new OpenRefused('evidence');
  if (enc1.byteLength !== SUITES[suite].encapsulatedBytes) throw new OpenRefused('length');
  // Saves the work; what decides is the entry at the end.
  if (key.seen.has(enc1)) throw new OpenRefused('replayed');
  return key;
}

function authenticate(
  content: OpenContent,
  hash1: Uint8Array,
  ports: AcceptPorts,
): IdentifiedChain {
  const caller = ports.identify(content.certificates, ports.clock.wallMs());
  if (caller === undefined) throw new OpenRefused('caller');
  const { algorithm, signature } = content;
  const input = clientSignatureInput(hash1);
  if (!checkCallerSignature(caller.leafKey, algorithm, input, signature)) {
    throw new OpenRefused('signature');
  }
  return caller;
}

interface Authentic {
  readonly key: OpeningKey;
  readonly open: OpenMessage;
  readonly first: RecipientContext;
  readonly content: OpenContent;
  readonly hash1: Uint8Array;
  readonly caller: IdentifiedChain;
}

async function accept(
  { key, open, first, content, hash1, caller }: Authentic,
  ports: AcceptPorts,
): Promise<AcceptedOpening> {
  const { clock, table } = ports;
  const openedMs = clock.monotonicMs();
  const enclaveTimeMs = clock.wallMs();
  const lifeMs = Math.min(SESSION_MS, caller.notAfterMs - enclaveTimeMs);
  // A chain whose last millisecond this is opens nothing.
  if (lifeMs < 1) throw new OpenRefused('caller');
  const checkpoint = ports.exchangeCheckpoints(content.lastCheckpoint);
  if (checkpoint === undefined) throw new OpenRefused('checkpoint');
  const facts: SessionFacts = {
    sessionId: ports.entropy.bytes(SESSION_ID_BYTES),
    principal: identityInLeaf(caller.identity),
    notAfterMs: enclaveTimeMs + lifeMs,
    policyVersion: ports.policyVersion(),
    enclaveTimeMs,
    checkpoint,
    maxRecords: MAX_SESSION_RECORDS,
    maxStreams: MAX_SESSION_STREAMS,
  };
  const { suite } = key.target;
  const binding = await acceptBinding(suite, first, hash1, open.ct1);
  const sealed = await fromPeer('client-key', () =>
    sealAccept(key.hpke, content.publicKey, binding, encodeAcceptContent(facts)),
  );
  // From here to the end nothing is awaited: of two equal openings one gets in, and no limit is passed.
  if (!table.hasRoom(caller.identity, clock.monotonicMs())) throw new OpenRefused('limit');
  if (key.seen.usedUp) throw new OpenRefused('key-used-up');
  if (!key.seen.add(open.enc1)) throw new OpenRefused('replayed');
  const { sessionId, maxRecords, maxStreams } = facts;
  const records = new EnclaveRecords({
    sessionId,
    toEnclave: nodeAead(suite, sealed.keys.toEnclave),
    toClient: nodeAead(suite, sealed.keys.toClient),
    maxRecords,
    maxStreams,
  });
  table.add({ sessionId, caller, records, openedMs, endsMs: openedMs + lifeMs });
  return { message: encodeAccept(sealed), facts };
}

function decoded<T>(rule: OpenRule, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    if (error instanceof LayoutError) throw new OpenRefused(rule);
    throw error;
  }
}

async function fromPeer<T>(rule: OpenRule, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof HpkeError) throw new OpenRefused(rule);
    throw error;
  }
}
