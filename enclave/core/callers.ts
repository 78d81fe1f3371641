/** Who calls: what the host says of a connection, and what of it the enclave checks itself (docs/spec/policy.md, "Callers"). */
import { createHash } from 'node:crypto';
import { Refusal } from '../wire/error-code.ts';
import type { UntrustedCaller } from '../wire/gen/sealwright/enclave/v1/frame.ts';
import { MAX_KNOWN_CHAINS } from '../wire/limits.ts';
import { peerIdentity, SOCKET_NAME, type CallerIdentity } from '../wire/policy/caller.ts';
import { CallerRoots, type ChainProblem, type IdentifiedChain } from '../wire/policy/chain.ts';
import type { Policy } from '../wire/policy/document.ts';
import { rankNumber, type Rank } from '../wire/policy/ring.ts';

/** Somebody, before the policy is asked whether that is one of its callers. */
export interface Caller {
  readonly rank: Rank;
  readonly identity: CallerIdentity;
}

/** The callers of one policy. Chains that led to a root are remembered: a caller shows the same one with every call. */
export class Callers {
  readonly #roots: CallerRoots;
  /** By digest of the whole chain, least recently used first: an answer never depends on what was shown before. */
  readonly #known = new Map<string, IdentifiedChain>();

  /** Throws RangeError with the place of a root that can't be one. */
  constructor(policy: Policy) {
    this.#roots = new CallerRoots(policy);
  }

  /** Throws Refusal when nobody can be named: then no ring is asked. */
  identify(caller: UntrustedCaller | undefined, nowMs: number): Caller {
    if (caller?.rank === rankNumber('mtls') && caller.certificates.length > 0) {
      return { rank: 'mtls', identity: this.holderOf(caller.certificates, nowMs).identity };
    }
    if (caller?.rank === rankNumber('peer') && SOCKET_NAME.test(caller.socket)) {
      return { rank: 'peer', identity: peerIdentity(caller.socket) };
    }
    throw new Refusal('CALLER_UNAUTHENTICATED');
  }

  /** Whom a chain names: whether somebody proved its leaf's key is not known here. Throws Refusal. */
  holderOf(chain: readonly Uint8Array[], nowMs: number): IdentifiedChain {
    const name = digestOf(chain);
    const known = this.#known.get(name);
    if (known !== undefined) {
      this.#known.delete(name);
      if (nowMs < known.notBeforeMs || nowMs > known.notAfterMs) throw unknownChain('validity');
      this.#known.set(name, known);
      return known;
    }
    const found = this.#roots.identify(chain, nowMs);
    if ('problem' in found) throw unknownChain(found.problem);
    this.#remember(name, found);
    return found;
  }

  /** Whether a chain of an earlier policy names the same one under this. */
  stillNames(chain: IdentifiedChain): boolean {
    return this.#roots.stillNames(chain);
  }

  #remember(name: string, found: IdentifiedChain): void {
    this.#known.set(name, found);
    if (this.#known.size <= MAX_KNOWN_CHAINS) return;
    const [oldest] = this.#known.keys();
    if (oldest !== undefined) this.#known.delete(oldest);
  }
}

function unknownChain(problem: ChainProblem): Refusal {
  return new Refusal('CALLER_UNAUTHENTICATED', { policyId: 'caller', actual: problem });
}

/** Lengths go in too: no two chains have one digest because their certificates were cut elsewhere. */
function digestOf(chain: readonly Uint8Array[]): string {
  const digest = createHash('sha256');
  for (const der of chain) digest.update(`${String(der.byteLength)}:`).update(der);
  return digest.digest('base64');
}
