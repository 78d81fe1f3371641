import { afterAll, describe, expect, test } from 'vitest';
import { certificateTable, makeSnp, snpCase } from '../support/sev-snp/index.ts';
import {
  caseOf,
  hasVectors,
  sayWhereVectorsAre,
  vectorIndex,
} from '../support/platform-vectors.ts';
import { SEV_SNP_ROWS } from '../support/platform-vectors/sev-snp.ts';
import { seededNumbers } from '../support/evidence-maker.ts';
import { judgePlatform, unhex, type PlatformCase } from '../support/run-platform-vector.ts';
import { MalformedEvidence, platformFormat } from '../../src/verifier/index.ts';
import { readCertificateTable } from '../../src/verifier/formats/sev-snp/certificate-table.ts';
import { runs } from '../support/runs.ts';

sayWhereVectorsAre();

const REPORT_BYTES = 1184;
const SIGNED_BYTES = 0x2a0;
/** The mutations of all formats flip 200 more in each report; here it is about the exact reason, and about certificates. */
const FLIPS = runs(50).numRuns ?? 50;

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

function flipped(text: string, bit: number): string {
  const bytes = unhex(text);
  bytes[bit >> 3] = (bytes[bit >> 3] ?? 0) ^ (1 << (bit & 7));
  return hex(bytes);
}

/** Good cases: genuine reports that their row accepts, and one of each product and key under test roots. */
const index = vectorIndex();
const genuine = (hasVectors ? SEV_SNP_ROWS : []).filter(({ verdict }) => verdict === 'affirming');
const CASES: readonly (readonly [name: string, input: PlatformCase])[] = [
  ...genuine
    .filter(({ file }, i) => genuine.findIndex((one) => one.file === file) === i)
    .map((row) => [row.file, caseOf(row, index)] as const),
  ['Milan VCEK, made here', snpCase('Milan')],
  ['Genoa VLEK, made here', snpCase('Genoa', { snp: { key: 'VLEK' } })],
  ['Turin VCEK, made here', snpCase('Turin')],
];

let judged = 0;

async function judge(input: PlatformCase): ReturnType<typeof judgePlatform> {
  judged += 1;
  return judgePlatform(input);
}

/** Flips bits of one file of the collateral; gives the outcomes that are not a refusal for one of `reasons`. */
async function survivors(
  input: PlatformCase,
  file: string,
  seed: number,
  reasons: readonly string[],
): Promise<readonly string[]> {
  const text = input.collateral[file] ?? '';
  const isPem = unhex(text)[0] === 0x2d;
  const random = seededNumbers(seed);
  const found: string[] = [];
  for (let i = 0; i < FLIPS; i += 1) {
    const bit = random() % (4 * text.length);
    const collateral = { ...input.collateral, [file]: flipped(text, bit) };
    const { verdict, failed } = await judge({ ...input, collateral });
    const refused = verdict === 'contraindicated' && failed.some((id) => reasons.includes(id));
    // White space around base64, and its case in nothing, are not part of a certificate.
    if (!refused && !(isPem && failed.length === 0))
      found.push(`bit ${String(bit)}: ${failed.join()}`);
  }
  return found;
}

describe.each(CASES)('%s', (_, input) => {
  const seed = CASES.findIndex(([, one]) => one === input) + 1;

  test('is accepted as it is', async () => {
    expect((await judge(input)).failed).toEqual([]);
  });

  test(`${String(FLIPS)} flipped bits of the signed region`, async () => {
    const random = seededNumbers(seed);
    const accepted: string[] = [];
    for (let i = 0; i < FLIPS; i += 1) {
      const bit = random() % (8 * SIGNED_BYTES);
      const evidence = flipped(input.evidence, bit);
      const { verdict, failed } = await judge({ ...input, evidence });
      const refused = verdict === 'malformed' ? bit < 32 : failed.includes('platform-signature');
      if (!refused) accepted.push(`bit ${String(bit)}: ${verdict}`);
    }

    expect(accepted).toEqual([]);
  });

  test('flipped bits of the signature and of the zeros behind it', async () => {
    const random = seededNumbers(seed + 1000);
    const accepted: number[] = [];
    for (let i = 0; i < FLIPS; i += 1) {
      const bit = 8 * SIGNED_BYTES + (random() % (8 * (REPORT_BYTES - SIGNED_BYTES)));
      const { failed } = await judge({ ...input, evidence: flipped(input.evidence, bit) });
      if (!failed.includes('platform-signature')) accepted.push(bit);
    }

    expect(accepted).toEqual([]);
  });

  test('every truncation and the first bytes behind the report', async () => {
    const bytes = unhex(input.evidence);
    const format = platformFormat('sev-snp');
    for (let length = 0; length < REPORT_BYTES; length += 1) {
      const cut = bytes.subarray(0, length);
      expect(() => format.decode(cut), String(length)).toThrow(MalformedEvidence);
      expect(format.detect(cut)).toBe(false);
    }
    for (const more of [1, 16, 1184]) {
      const { verdict, place } = await judge({
        ...input,
        evidence: input.evidence + '00'.repeat(more),
      });
      expect({ verdict, place }).toEqual({ verdict: 'malformed', place: '/' });
    }
  });

  test(`${String(FLIPS)} flipped bits of each certificate`, async () => {
    const readable = ['endorsement-certificate', 'issuer-certificate', 'certificate-table'];
    const reasons = [...readable, 'chain-signatures', 'chain-algorithms', 'sent-root'];
    for (const [i, file] of Object.keys(input.collateral).entries()) {
      if (file.endsWith('.crl')) continue;
      expect(await survivors(input, file, 7000 + 10 * seed + i, reasons)).toEqual([]);
    }
  });

  test('every truncation of each certificate’s lengths', async () => {
    for (const [file, text] of Object.entries(input.collateral)) {
      if (file.endsWith('.crl') || file.endsWith('.pem')) continue;
      const bytes = unhex(text);
      const cuts = [...Array(40).keys(), ...[60, 200, 500, 900, bytes.byteLength - 1]];
      for (const length of cuts) {
        const collateral = { ...input.collateral, [file]: hex(bytes.subarray(0, length)) };
        const { failed } = await judge({ ...input, collateral });
        expect(
          failed.includes('endorsement-certificate') || failed.includes('issuer-certificate'),
          `${file} ${String(length)}`,
        ).toBe(true);
      }
    }
  });
});

test(`${String(FLIPS)} flipped bits of a revocation list, and every truncation`, async () => {
  const input = snpCase('Genoa');
  const file = 'vcek-genoa.crl';
  const reasons = ['crl', 'crl-signature'];
  expect(await survivors(input, file, 99, reasons)).toEqual([]);

  const bytes = unhex(input.collateral[file] ?? '');
  for (let length = 0; length < bytes.byteLength; length += 1) {
    const collateral = { ...input.collateral, [file]: hex(bytes.subarray(0, length)) };
    const { failed } = await judge({ ...input, collateral });
    expect([...failed].sort(), String(length)).toEqual(['crl', 'crl-age']);
  }
});

test('every byte of the signature counts', async () => {
  const input = snpCase('Turin');
  const ignored: number[] = [];
  for (let at = SIGNED_BYTES; at < REPORT_BYTES; at += 1) {
    const evidence = flipped(input.evidence, 8 * at + (at & 7));
    const { failed } = await judge({ ...input, evidence });
    if (!failed.includes('platform-signature')) ignored.push(at);
  }

  expect(ignored).toEqual([]);
});

describe('certificate tables', () => {
  const { endorsements, root } = makeSnp('Milan');
  const table = certificateTable([
    { role: 'ark', content: root },
    { role: 'ask', content: endorsements[1] },
    { role: 'vcek', content: endorsements[0] },
  ]);

  test('every truncation is refused', () => {
    for (let length = 0; length < table.byteLength; length += 1) {
      expect(() => readCertificateTable(table.subarray(0, length)), String(length)).toThrow(
        MalformedEvidence,
      );
    }
  });

  test('every flipped bit of the records: refused, or other bytes of the same table', () => {
    for (let bit = 0; bit < 8 * 4 * 24; bit += 1) {
      try {
        const offered = readCertificateTable(unhex(flipped(hex(table), bit)));
        const lengths = [offered.vcek, offered.vlek, offered.intermediate].map(
          (one) => one?.byteLength ?? 0,
        );
        expect(Math.max(...lengths)).toBeLessThanOrEqual(table.byteLength);
      } catch (error) {
        expect(error).toBeInstanceOf(MalformedEvidence);
      }
    }
  });

  test('garbage of any length', () => {
    const random = seededNumbers(4711);
    for (let i = 0; i < 50 * FLIPS; i += 1) {
      const bytes = Uint8Array.from({ length: random() % 400 }, () => random() & 0xff);
      // A few of them end their records early.
      if (i % 3 === 0) bytes.fill(0, 24, 48);
      try {
        readCertificateTable(bytes);
      } catch (error) {
        expect(error).toBeInstanceOf(MalformedEvidence);
      }
    }
  });
});

afterAll(() => {
  process.stdout.write(
    `SEV-SNP mutations: ${String(CASES.length)} pieces of evidence, ${String(judged)} judgements\n`,
  );
});
