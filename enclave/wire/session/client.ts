/**
 * The client's side of an opening (docs/spec/session.md). Sans I/O: bytes for the host, bytes from the host. Whether
 * the target is the right enclave is decided before, by whoever verified its evidence.
 */
import { LayoutError } from '../byte-cursor.ts';
import { parseAccept, parseAcceptContent, type SessionFacts } from './accept-message.ts';
import { Hpke, HpkeError, type HpkePair, type SenderContext } from './hpke.ts';
import { encodeHello, encodeOpen, encodeOpenContent } from './open-message.ts';
import {
  acceptBinding,
  clientSignatureInput,
  h1,
  openAccept,
  openInfo,
  type SessionKeys,
  type Target,
} from './transcript.ts';

/** Who opens: a chain, and whatever holds the leaf's private key. */
export interface ClientIdentity {
  /** DER, leaf first. */
  readonly certificates: readonly Uint8Array[];
  /** Number of the algorithm that the leaf's key type has. */
  readonly algorithm: number;
  sign(input: Uint8Array): Promise<Uint8Array>;
}

export interface OpenRequest {
  readonly target: Target;
  /** From the evidence whose digest `target` names, in the form of the suite. */
  readonly hpkeKey: Uint8Array;
  readonly identity: ClientIdentity;
  readonly clientTimeMs: number;
  /** The last checkpoint of this cluster that the caller saw; empty: none. */
  readonly lastCheckpoint: Uint8Array;
}

/** Why an Accept is none: see "Accept" in docs/spec/session.md. */
export type AcceptRule = 'message' | 'hpke' | 'content';

/** Thrown for an Accept that is not the enclave's answer to this Open. */
export class AcceptRefused extends Error {
  override readonly name = 'AcceptRefused';
  readonly rule: AcceptRule;
  constructor(rule: AcceptRule) {
    super(rule);
    this.rule = rule;
  }
}

export interface OpenedSession {
  readonly facts: SessionFacts;
  readonly keys: SessionKeys;
}

interface Secrets {
  readonly hpke: Hpke;
  readonly pair: HpkePair;
  readonly first: SenderContext;
  readonly hash1: Uint8Array;
  readonly ct1: Uint8Array;
}

/** An Open on its way. */
export class Opening {
  /** For the host. */
  readonly message: Uint8Array;
  readonly #target: Target;
  #secrets: Secrets | undefined;

  constructor(message: Uint8Array, target: Target, secrets: Secrets) {
    this.message = message;
    this.#target = target;
    this.#secrets = secrets;
  }

  /**
   * The session that `accept` opens. Once: after it, whatever came of it, the secrets of the opening are gone. Throws
   * AcceptRefused.
   */
  async finish(accept: Uint8Array): Promise<OpenedSession> {
    const secrets = this.#secrets;
    this.#secrets = undefined;
    if (secrets === undefined) throw new Error('an Open is answered once');
    const { enc2, ct2 } = decoded('message', () => parseAccept(accept));
    const { hpke, pair, first, hash1, ct1 } = secrets;
    const binding = await acceptBinding(this.#target.suite, first, hash1, ct1);
    try {
      const { plaintext, keys } = await openAccept(hpke, pair, binding, enc2, ct2);
      return { facts: decoded('content', () => parseAcceptContent(plaintext)), keys };
    } catch (error) {
      if (error instanceof HpkeError) throw new AcceptRefused('hpke');
      throw error;
    }
  }
}

function decoded<T>(rule: AcceptRule, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    if (error instanceof LayoutError) throw new AcceptRefused(rule);
    throw error;
  }
}

/**
 * Throws HpkeError for an HPKE key that is none, RangeError for an identity that does not fit into an Open, and what
 * the identity's `sign` throws.
 */
export async function openSession(
  request: OpenRequest,
  hpke = new Hpke(request.target.suite),
): Promise<Opening> {
  const { target, identity, clientTimeMs, lastCheckpoint } = request;
  const { certificates, algorithm } = identity;
  const pair = await hpke.generateKeyPair();
  const { publicKey } = pair;
  const hello = encodeHello({ publicKey, clientTimeMs, lastCheckpoint, certificates });
  const info1 = openInfo(target);
  const first = await hpke.sender(request.hpkeKey, info1);
  const hash1 = await h1(info1, first.enc, hello);
  const signature = await identity.sign(clientSignatureInput(hash1));
  const ct1 = await first.seal(encodeOpenContent(hello, { algorithm, signature }));
  const { suite, evidenceDigest } = target;
  const message = encodeOpen({ suite, evidenceDigest, enc1: first.enc, ct1 });
  return new Opening(message, target, { hpke, pair, first, hash1, ct1 });
}
