/**
 * Callers and an enclave that open sessions with each other in this process. Certificates are names here: who a chain is,
 * is a port's business.
 */
import { constants, generateKeyPairSync, sign, type KeyObject } from 'node:crypto';
import { ALGORITHMS } from '../../enclave/wire/algorithm.ts';
import { callerAlgorithm } from '../../enclave/wire/caller-key.ts';
import {
  acceptSession,
  OpenRefused,
  type AcceptedOpening,
  type AcceptPorts,
  type OpeningKey,
} from '../../enclave/core/sessions/accept-session.ts';
import { SeenOpenings } from '../../enclave/core/sessions/seen-openings.ts';
import { SessionTable } from '../../enclave/core/sessions/session-table.ts';
import { toHex, utf8 } from '../../enclave/wire/bytes.ts';
import { nodeAead } from '../../enclave/wire/session/node-aead.ts';
import {
  openSession,
  type ClientIdentity,
  type Opening,
} from '../../enclave/wire/session/client.ts';
import { ClientRecords } from '../../enclave/wire/session/client-records.ts';
import { Hpke } from '../../enclave/wire/session/hpke.ts';
import { RecordRefused, type RecordRule } from '../../enclave/wire/session/record.ts';
import type { SuiteNumber } from '../../enclave/wire/session/suites.ts';
import { identifiedChain } from './identified-chain.ts';

export interface TestCaller {
  readonly name: string;
  readonly publicKey: KeyObject;
  readonly identity: ClientIdentity;
}

export function signWith(key: KeyObject, input: Uint8Array): Uint8Array {
  const padding = { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 };
  const hash = callerAlgorithm(key)?.replace(/^[A-Z]+/, 'sha') ?? 'sha256';
  if (key.asymmetricKeyType === 'ed25519') return Uint8Array.from(sign(null, input, key));
  return Uint8Array.from(
    key.asymmetricKeyType === 'rsa'
      ? sign('sha256', input, { key, ...padding })
      : sign(hash, input, key),
  );
}

/** Drawn by `generateKeyPairSync`; Ed25519 when not given. */
export function testCaller(
  name: string,
  pair: { publicKey: KeyObject; privateKey: KeyObject } = generateKeyPairSync('ed25519'),
): TestCaller {
  const algorithm = callerAlgorithm(pair.publicKey);
  return {
    name,
    publicKey: pair.publicKey,
    identity: {
      certificates: [utf8(name)],
      algorithm: algorithm === undefined ? 0 : ALGORITHMS[algorithm].wire,
      sign: (input) => Promise.resolve(signWith(pair.privateKey, input)),
    },
  };
}

const CLUSTER_ID = new Uint8Array(32).fill(1);

export const START_WALL_MS = 1_790_000_000_000;

export class SessionWorld {
  readonly table = new SessionTable();
  readonly callers: TestCaller[] = [];
  readonly keys: OpeningKey[] = [];
  nowMs = 5000;
  /** Of every chain, ms since the Unix epoch. */
  chainEndsMs = Infinity;
  #drawn = 0;

  /** With one HPKE key, and the callers that it knows. */
  static async start(suite: SuiteNumber, ...names: readonly string[]): Promise<SessionWorld> {
    const world = new SessionWorld();
    await world.newKey(suite);
    world.callers.push(...names.map((name) => testCaller(name)));
    return world;
  }

  async newKey(suite: SuiteNumber): Promise<OpeningKey> {
    const hpke = new Hpke(suite);
    const evidenceDigest = new Uint8Array(32).fill(this.keys.length + 1);
    const target = { suite, clusterId: CLUSTER_ID, evidenceDigest };
    const key = { target, hpke, pair: await hpke.generateKeyPair(), seen: new SeenOpenings() };
    this.keys.push(key);
    return key;
  }

  get ports(): AcceptPorts {
    return {
      clock: {
        monotonicMs: () => this.nowMs,
        wallMs: () => START_WALL_MS + this.nowMs,
        turn: () => Promise.resolve(),
      },
      entropy: {
        bytes: (length) => {
          this.#drawn += 1;
          const bytes = new Uint8Array(length);
          new DataView(bytes.buffer).setUint32(0, this.#drawn);
          return bytes;
        },
      },
      table: this.table,
      keyFor: (suite, digest) =>
        this.keys.find(
          ({ target }) => target.suite === suite && toHex(target.evidenceDigest) === toHex(digest),
        ),
      identify: ([leaf]) => {
        const caller = this.callers.find(({ name }) => name === new TextDecoder().decode(leaf));
        if (caller === undefined) return undefined;
        return identifiedChain(caller.name, caller.publicKey, this.chainEndsMs);
      },
      exchangeCheckpoints: () => utf8('checkpoint'),
      policyVersion: () => 1,
    };
  }

  open(caller = this.callers[0], key = this.keys[0]): Promise<Opening> {
    if (caller === undefined || key === undefined) throw new RangeError('nobody, or no key');
    return openSession({
      target: key.target,
      hpkeKey: key.pair.publicKey,
      identity: caller.identity,
      clientTimeMs: START_WALL_MS,
      lastCheckpoint: new Uint8Array(0),
    });
  }

  accept(message: Uint8Array): Promise<AcceptedOpening> {
    return acceptSession(message, this.ports);
  }

  /** The rule by which an Open is refused; undefined for one that is accepted. */
  async refusal(message: Uint8Array): Promise<string | undefined> {
    try {
      await this.accept(message);
      return undefined;
    } catch (error) {
      if (error instanceof OpenRefused) return error.rule;
      throw error;
    }
  }

  /** An opened session: its client's end. */
  async session(caller = this.callers[0], key = this.keys[0]): Promise<ClientRecords> {
    const opening = await this.open(caller, key);
    const { message } = await this.accept(opening.message);
    const { facts, keys } = await opening.finish(message);
    const suite = key?.target.suite ?? 1;
    return new ClientRecords({
      ...facts,
      toEnclave: nodeAead(suite, keys.toEnclave),
      toClient: nodeAead(suite, keys.toClient),
    });
  }
}

export const CALL = {
  method: '/sealwright.v1.SigningService/Sign',
  requestId: new Uint8Array(16),
  deadlineMs: 3_600_000,
} as const;

/** The rule by which a record is refused; undefined for one that is accepted. */
export function recordRefusal(run: () => unknown): RecordRule | undefined {
  try {
    run();
    return undefined;
  } catch (error) {
    if (error instanceof RecordRefused) return error.rule;
    throw error;
  }
}
