/**
 * A program of its own, so that memory can be watched: gives every format the worst that can be sent, as evidence and
 * as collateral, and prints a line PROBLEM for each that is accepted, escapes, or costs more than 50 ms or 64 MiB.
 */
import process from 'node:process';
import { NITRO_NONCE, cbor, makeNitro, nitroPolicy } from '../../scripts/evidence/nitro/index.ts';
import { NOW } from '../../scripts/evidence/index.ts';
import {
  MAX_COLLATERAL_FILE_BYTES,
  MAX_PLATFORM_EVIDENCE_BYTES,
  MalformedEvidence,
  appraisePlatform,
  parsePlatformPolicy,
  verifyPlatformEvidence,
  type PlatformFormatName,
  type PlatformPolicy,
} from '../../src/verifier/index.ts';
import { dcapCase } from './dcap/index.ts';
import { unhex, type PlatformCase } from './run-platform-vector.ts';
import { snpCase } from './sev-snp/index.ts';

const MAX_MS = 50;
const MAX_BYTES = 64 * 2 ** 20;

const CASES: Readonly<Record<PlatformFormatName, PlatformCase>> = {
  nitro: {
    evidence: Buffer.from(makeNitro()).toString('hex'),
    collateral: {},
    policy: nitroPolicy(),
    now: NOW,
    nonce: Buffer.from(NITRO_NONCE).toString('hex'),
  },
  'sev-snp': snpCase('Milan'),
  tdx: dcapCase('tdx'),
  sgx: dcapCase('sgx'),
};

const fill = (length: number, byte: number): Uint8Array => new Uint8Array(length).fill(byte);
const text = (value: string): Uint8Array => Uint8Array.from(Buffer.from(value));

function after(start: Uint8Array, rest: Uint8Array): Uint8Array {
  return Uint8Array.from(Buffer.concat([start, rest]));
}

/** Evidence of the format with its last part replaced, and plain nonsense of every size. */
function badEvidence(name: PlatformFormatName): readonly (readonly [string, Uint8Array])[] {
  const good = unhex(CASES[name].evidence);
  const max = MAX_PLATFORM_EVIDENCE_BYTES;
  const sizes = [0, 1, 47, 48, 1183, 1184, 1185, 4096, max, max + 1, 16 * max];
  const starts = [16, 48, 200, 632, 1020, 1100].filter((at) => at < good.byteLength);
  const pems = '-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n';
  return [
    ...sizes.flatMap((size) =>
      [0, 0x30, 0x5a, 0x81, 0x9f, 0xff].map(
        (byte) => [`${String(size)} bytes ${byte.toString(16)}`, fill(size, byte)] as const,
      ),
    ),
    ...starts.flatMap((at) =>
      [0, 0x30, 0x81, 0xbf, 0xff].map(
        (byte) =>
          [
            `${String(at)} good bytes, then ${byte.toString(16)}`,
            after(good.subarray(0, at), fill(max - at, byte)),
          ] as const,
      ),
    ),
    ...starts.map(
      (at) =>
        [
          `${String(at)} good bytes, then certificates`,
          after(good.subarray(0, at), text(pems.repeat(1000))).subarray(0, max),
        ] as const,
    ),
    ['a list of 60,000 items', after(Uint8Array.of(0x99, 0xea, 0x60), fill(60_000, 0))],
    [
      'a map of 2^32',
      cbor([
        cbor(new Map([[1, -35]])),
        new Map(),
        Uint8Array.of(0xba, 255, 255, 255, 255),
        fill(96, 1),
      ]),
    ],
  ];
}

/** Files that could stand in a folder of collateral. */
function badFiles(): readonly (readonly [string, Uint8Array])[] {
  const max = MAX_COLLATERAL_FILE_BYTES;
  const pem = '-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n';
  const nest = (open: string, close: string, depth: number): Uint8Array =>
    text(open.repeat(depth) + close.repeat(depth));
  return [
    ['nothing', new Uint8Array(0)],
    ['zeros', fill(max, 0)],
    ['sequences', fill(max, 0x30)],
    ['nested sequences', Uint8Array.from({ length: max }, (_, i) => (i % 2 === 0 ? 0x30 : 0x80))],
    ['a sequence of all', after(Uint8Array.of(0x30, 0x83, 0x03, 0xff, 0xfb), fill(max - 5, 5))],
    ['one-byte integers', after(Uint8Array.of(0x30, 0x83, 0x03, 0xff, 0xfb), fill(max - 5, 2))],
    ['white space', fill(max, 0x20)],
    ['certificates', text(pem.repeat(4000)).subarray(0, max)],
    ['10,000 beginnings', text('-----BEGIN CERTIFICATE-----'.repeat(9000)).subarray(0, max)],
    ['base64 without end', text(`-----BEGIN CERTIFICATE-----\n${'A'.repeat(max - 100)}`)],
    ['nested lists', nest('[', ']', max / 2)],
    ['nested objects', text('{"a":'.repeat(50_000)).subarray(0, max)],
    ['a long number', text(`{"tcbInfo":{"version":${'9'.repeat(max - 100)}}}`)],
    ['one member many times', text(`{${'"a":1,'.repeat(40_000)}"b":1}`).subarray(0, max)],
    ['escapes', text(`{"tcbInfo":"${'\\u0000'.repeat(40_000)}"}`)],
    ['quotes', fill(max, 0x22)],
  ];
}

interface Measured {
  readonly refused: boolean;
  readonly escape: string | undefined;
}

async function judge(
  policy: PlatformPolicy,
  input: PlatformCase,
  evidence: Uint8Array,
  collateral: ReadonlyMap<string, Uint8Array>,
): Promise<Measured> {
  try {
    const verified = await verifyPlatformEvidence(evidence, { ...policy, collateral });
    const { verdict } = appraisePlatform(verified, policy, {
      now: input.now,
      ...(input.nonce === undefined ? { noNonce: 'x' } : { nonce: unhex(input.nonce) }),
    });
    return { refused: verdict === 'contraindicated', escape: undefined };
  } catch (error) {
    if (error instanceof MalformedEvidence) return { refused: true, escape: undefined };
    return { refused: false, escape: String(error) };
  }
}

function memory(): number {
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

const say = (line: string): void => {
  process.stdout.write(`${line}\n`);
};

let count = 0;
let worstMs = 0;
let worstBytes = 0;

async function measure(what: string, run: () => Promise<Measured>): Promise<void> {
  let ms = Infinity;
  let bytes = Infinity;
  let last: Measured = { refused: false, escape: undefined };
  // The best of three: other programs and collections of garbage come between.
  for (let i = 0; i < 3 && (ms > MAX_MS || bytes > MAX_BYTES); i += 1) {
    if (i > 0) globalThis.gc?.();
    const before = memory();
    const start = process.threadCpuUsage();
    last = await run();
    const { user, system } = process.threadCpuUsage(start);
    ms = Math.min(ms, (user + system) / 1000);
    bytes = Math.min(bytes, memory() - before);
  }
  count += 1;
  worstMs = Math.max(worstMs, ms);
  worstBytes = Math.max(worstBytes, bytes);
  if (last.escape !== undefined) say(`PROBLEM ${what}: ESCAPE ${last.escape}`);
  else if (!last.refused) say(`PROBLEM ${what}: accepted`);
  if (ms > MAX_MS) say(`PROBLEM ${what}: ${ms.toFixed(0)} ms`);
  if (bytes > MAX_BYTES) say(`PROBLEM ${what}: ${String(bytes)} bytes`);
}

for (const [name, input] of Object.entries(CASES) as [PlatformFormatName, PlatformCase][]) {
  const policy = parsePlatformPolicy(input.policy);
  const good = unhex(input.evidence);
  const collateral = new Map(
    Object.entries(input.collateral).map(([file, content]) => [file, unhex(content)]),
  );
  await judge(policy, input, good, collateral);
  for (const [what, evidence] of badEvidence(name)) {
    await measure(`${name}: ${what}`, () => judge(policy, input, evidence, collateral));
  }
  for (const file of collateral.keys()) {
    for (const [what, bytes] of badFiles()) {
      const changed = new Map([...collateral, [file, bytes]]);
      await measure(`${name}: ${file}: ${what}`, () => judge(policy, input, good, changed));
    }
  }
}
say(
  `${String(count)} inputs refused, ${worstMs.toFixed(0)} ms and ${(worstBytes / 2 ** 20).toFixed(0)} MiB at most`,
);
