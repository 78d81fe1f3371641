import { X509Certificate } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import {
  acceptSession,
  OpenRefused,
  type AcceptPorts,
} from '../../enclave/core/sessions/accept-session.ts';
import { SeenOpenings } from '../../enclave/core/sessions/seen-openings.ts';
import { SessionTable } from '../../enclave/core/sessions/session-table.ts';
import { concatBytes, fromHex, toHex } from '../../enclave/wire/bytes.ts';
import { nodeAead } from '../../enclave/wire/session/node-aead.ts';
import { AcceptRefused, openSession } from '../../enclave/wire/session/client.ts';
import { ClientRecords } from '../../enclave/wire/session/client-records.ts';
import { EnclaveRecords, type SessionRecords } from '../../enclave/wire/session/enclave-records.ts';
import type { Hpke } from '../../enclave/wire/session/hpke.ts';
import {
  encodeRequest,
  encodeResponse,
  parseRequest,
  parseResponse,
} from '../../enclave/wire/session/record-content.ts';
import {
  parseContent,
  RECORD_ROOM,
  RecordRefused,
  RecordSealer,
} from '../../enclave/wire/session/record.ts';
import type { SuiteNumber } from '../../enclave/wire/session/suites.ts';
import type { Target } from '../../enclave/wire/session/transcript.ts';
import { fixedHpke, fixedPair, type MadeEncapsulation } from '../support/fixed-kem.ts';
import { outputOf, readVectors, thrown } from '../support/vectors.ts';
import { identifiedChain } from '../support/identified-chain.ts';

interface Given {
  readonly suite: SuiteNumber;
  readonly clusterId: string;
  readonly evidenceDigest: string;
  readonly hpkeKeyIkm: string;
  readonly hpkeKey: string;
  readonly oneTimeKeyIkm: string;
  readonly openEphemeral: string;
  readonly acceptEphemeral: string;
  readonly certificates: readonly string[];
  readonly algorithm: number;
  readonly clientTimeMs: number;
  readonly lastCheckpoint: string;
  readonly sessionId: string;
  readonly principal: string;
  readonly policyVersion: number;
  readonly enclaveTimeMs: number;
  readonly checkpoint: string;
  /** Of refused cases. */
  readonly known: string;
  readonly open: string;
  readonly accept: string;
  readonly signature: string;
  readonly content: string;
  readonly kC: string;
  readonly kE: string;
  readonly direction: 0 | 1;
  readonly seq: number;
  readonly records: readonly string[];
  readonly calls: readonly ('unary' | 'stream')[];
}

interface Output extends Readonly<Record<string, unknown>> {
  readonly signatureInput: string;
  readonly signature: string;
  readonly enc1: string;
  readonly enc2: string;
  readonly open: string;
  readonly accept: string;
  readonly kC: string;
  readonly kE: string;
  readonly record: string;
  readonly outcomes: readonly string[];
}

const vectors = readVectors<Given, Output>('session.json');
const flagged = (flag: string) =>
  vectors.filter(({ flags }) => flags[0] === flag).map((vector) => [vector.id, vector] as const);

/** Rules of code are words, those of vectors their upper case. */
const upper = (rule: string): string => rule.toUpperCase().replaceAll('-', '_');

function ruleOf(error: unknown): string {
  const refused =
    error instanceof OpenRefused ||
    error instanceof AcceptRefused ||
    error instanceof RecordRefused;
  if (!refused) throw error;
  return upper(error.rule);
}

const targetOf = (given: Given, suite: SuiteNumber = given.suite): Target => ({
  suite,
  clusterId: fromHex(given.clusterId),
  evidenceDigest: fromHex(given.evidenceDigest),
});

/** An enclave that knows one caller. */
async function enclave(given: Given, hpke: Hpke, suite: SuiteNumber, known: string) {
  const target = targetOf(given, suite);
  const pair = await fixedPair(suite, fromHex(given.hpkeKeyIkm));
  const key = { target, hpke, pair, seen: new SeenOpenings() };
  const ports: AcceptPorts = {
    clock: {
      monotonicMs: () => 1000,
      wallMs: () => given.enclaveTimeMs,
      turn: () => Promise.resolve(),
    },
    entropy: { bytes: () => fromHex(given.sessionId) },
    table: new SessionTable(),
    keyFor: (asked, digest) =>
      asked === suite && toHex(digest) === given.evidenceDigest ? key : undefined,
    identify: ([leaf]) =>
      leaf === undefined || toHex(leaf) !== known
        ? undefined
        : identifiedChain(given.principal, new X509Certificate(leaf).publicKey),
    exchangeCheckpoints(last) {
      expect(toHex(last)).toBe(given.lastCheckpoint);
      return fromHex(given.checkpoint);
    },
    policyVersion: () => given.policyVersion,
  };
  return ports;
}

function client(given: Given, signature: string, signatureInput: string | undefined, hpke: Hpke) {
  return openSession(
    {
      target: targetOf(given),
      hpkeKey: fromHex(given.hpkeKey),
      identity: {
        certificates: given.certificates.map(fromHex),
        algorithm: given.algorithm,
        sign(input) {
          if (signatureInput !== undefined) expect(toHex(input)).toBe(signatureInput);
          return Promise.resolve(fromHex(signature));
        },
      },
      clientTimeMs: given.clientTimeMs,
      lastCheckpoint: fromHex(given.lastCheckpoint),
    },
    hpke,
  );
}

function clientHpke(given: Given, made?: MadeEncapsulation): Hpke {
  return fixedHpke(given.suite, [fromHex(given.oneTimeKeyIkm), fromHex(given.openEphemeral)], made);
}

describe('an opening', () => {
  test.each(flagged('handshake'))('%s, byte for byte', async (_id, vector) => {
    const { input: given } = vector;
    const out = outputOf(vector);
    const toEnclave = { enc: fromHex(out.enc1), recipientIkm: fromHex(given.hpkeKeyIkm) };
    const toClient = { enc: fromHex(out.enc2), recipientIkm: fromHex(given.oneTimeKeyIkm) };
    const opening = await client(
      given,
      out.signature,
      out.signatureInput,
      clientHpke(given, toEnclave),
    );
    expect(toHex(opening.message)).toBe(out.open);

    const hpke = fixedHpke(given.suite, [fromHex(given.acceptEphemeral)], toClient);
    const ports = await enclave(given, hpke, given.suite, given.certificates[0] ?? '');
    const accepted = await acceptSession(opening.message, ports);
    expect(toHex(accepted.message)).toBe(out.accept);

    const { keys, facts } = await opening.finish(accepted.message);
    expect([toHex(keys.toEnclave), toHex(keys.toClient)]).toEqual([out.kC, out.kE]);
    expect(facts).toEqual(accepted.facts);

    // The enclave's keys show in what it opens and seals.
    const records = new ClientRecords({
      ...recordsOf(given.suite, out.kC, out.kE, given.sessionId),
    });
    const call = { method: '/a.B/C', requestId: new Uint8Array(16), deadlineMs: 100 };
    const sent = records.unary(call, Uint8Array.of(7));
    const arrival = ports.table.receive(sent.record, 1001);
    expect(arrival.request.body).toEqual(Uint8Array.of(7));
    const answer = { end: true, body: Uint8Array.of(8) };
    const back = arrival.session.records.answer(arrival.request.call, answer);
    expect(records.receive(back).body).toEqual(Uint8Array.of(8));
  });

  test.each(flagged('open'))('%s is refused', async (_id, { input: given, expect: rule }) => {
    const filled = {
      ...{ enclaveTimeMs: 1_790_000_000_456, sessionId: '00'.repeat(16), policyVersion: 1 },
      ...{ principal: 'a', lastCheckpoint: '', checkpoint: '' },
    };
    const hpke = fixedHpke(1, [new Uint8Array(32).fill(9)]);
    const { lastCheckpoint } = flaggedHandshake();
    const world = { ...filled, ...given, lastCheckpoint };
    const ports = await enclave(world, hpke, 1, given.known);
    const error: unknown = await acceptSession(fromHex(given.open), ports).catch((e: unknown) => e);
    expect(ruleOf(error)).toBe(rule);
    expect(ports.table.size).toBe(0);
  });

  test.each(flagged('accept'))('%s is refused', async (_id, { input: given, expect: rule }) => {
    const opening = await client(given, given.signature, undefined, clientHpke(given));
    const error: unknown = await opening.finish(fromHex(given.accept)).catch((e: unknown) => e);
    expect(ruleOf(error)).toBe(rule);
    await expect(opening.finish(fromHex(given.accept))).rejects.toThrow('answered once');
  });
});

function flaggedHandshake(): Given {
  const [first] = flagged('handshake');
  if (first === undefined) throw new RangeError('no handshake');
  return first[1].input;
}

function recordsOf(suite: SuiteNumber, kC: string, kE: string, sessionId: string): SessionRecords {
  return {
    sessionId: fromHex(sessionId),
    toEnclave: nodeAead(suite, fromHex(kC)),
    toClient: nodeAead(suite, fromHex(kE)),
    maxRecords: 2 ** 24,
    maxStreams: 64,
  };
}

describe('contents of records', () => {
  const contents = [
    ...flagged('request').map(([id, v]) => [id, v, parseRequest, encodeRequest] as const),
    ...flagged('response').map(([id, v]) => [id, v, parseResponse, encodeResponse] as const),
  ];
  test.each(contents)('%s', (_id, { input, expect: rule }, parse, encode) => {
    const content = fromHex(input.content);
    if (rule === 'accept') {
      const read = parse(content);
      expect(toHex((encode as (value: typeof read) => Uint8Array)(read))).toBe(input.content);
    } else {
      expect(ruleOf(thrown(() => parseContent<unknown>(parse, content)))).toBe(rule);
    }
  });
});

describe('records', () => {
  test.each(flagged('record'))('%s, byte for byte', (_id, vector) => {
    const { suite, kC, kE, sessionId, direction, seq, content } = vector.input;
    const { toEnclave, toClient } = recordsOf(suite, kC, kE, sessionId);
    const sealer = new RecordSealer({
      aead: direction === 0 ? toEnclave : toClient,
      direction,
      sessionId: fromHex(sessionId),
      maxRecords: 2 ** 24,
    });
    const inRoom = (bytes: Uint8Array): Uint8Array<ArrayBuffer> => {
      const { before, after } = RECORD_ROOM;
      return concatBytes(new Uint8Array(before), bytes, new Uint8Array(after));
    };
    for (let i = 0; i < seq; i += 1) sealer.seal(inRoom(new Uint8Array(256)));
    expect(toHex(sealer.seal(inRoom(fromHex(content))))).toBe(outputOf(vector).record);
  });

  const outcome = (receive: () => unknown): string => {
    const error = thrown(receive);
    return error === undefined ? 'accept' : ruleOf(error);
  };

  test.each(flagged('to-enclave'))('%s', (_id, vector) => {
    const { suite, kC, kE, sessionId, records } = vector.input;
    const enclaveEnd = new EnclaveRecords(recordsOf(suite, kC, kE, sessionId));
    const outcomes = records.map((record) => outcome(() => enclaveEnd.receive(fromHex(record))));
    expect(outcomes).toEqual(outputOf(vector).outcomes);
  });

  test.each(flagged('to-client'))('%s', (_id, vector) => {
    const { suite, kC, kE, sessionId, records, calls } = vector.input;
    const clientEnd = new ClientRecords(recordsOf(suite, kC, kE, sessionId));
    const call = { method: '/a.B/C', requestId: new Uint8Array(16), deadlineMs: 100 };
    for (const kind of calls) {
      if (kind === 'unary') clientEnd.unary(call, new Uint8Array(0));
      else clientEnd.begin(call, new Uint8Array(0));
    }
    const outcomes = records.map((record) => outcome(() => clientEnd.receive(fromHex(record))));
    expect(outcomes).toEqual(outputOf(vector).outcomes);
  });
});
