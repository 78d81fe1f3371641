// The platform's quote is of another enclave, forged, or no quote.
import { REGISTERS, canonical, ecKey, type EvidenceShape } from '../evidence/index.ts';
import { fixedBytes, fromHex, hex, type VectorCase } from '../vector-file.ts';
import { refused, malformed, made, withPolicy, good, otherRegister } from './asked.ts';

export function quoteCases(): VectorCase[] {
  const quoted = (
    id: string,
    comment: string,
    shape: EvidenceShape['quote'],
    ...failed: string[]
  ): VectorCase => refused(id, comment, { bundle: made({ quote: shape }) }, ...failed);
  const undecodable = (id: string, comment: string, shape: EvidenceShape['quote']): VectorCase =>
    malformed(id, comment, made({ quote: shape }), '/platformEvidence');
  const { platformEvidence } = good;
  const flipped = (offset: number): string =>
    canonical({ ...good.bundle, platformEvidence: flipByte(platformEvidence, offset) });
  return [
    ...REGISTERS.map((_, i) =>
      quoted(
        `register-${String(i)}`,
        `another MR${String(i)}`,
        { registers: replaced(REGISTERS, i, otherRegister) },
        `MR${String(i)}`,
      ),
    ),
    quoted('debug', 'the debug flag', { flags: 1 }, 'debug'),
    quoted(
      'platform-id',
      'the root of another platform',
      { platformId: fixedBytes('p', 32) },
      'platform-id',
    ),
    quoted('report-data', 'other report data', { reportData: fixedBytes('r', 64) }, 'report-data'),
    quoted(
      'quote-key',
      'another key than the attestation key',
      { key: ecKey('attacker') },
      'platform-signature',
    ),
    quoted('quote-svn', 'the platform measured svn 0', { svn: 0 }, 'svn-claim', 'svn'),
    refused(
      'svn-floor',
      'an svn below the floor',
      withPolicy({ svn: { rule: 'require', atLeast: 2 } }),
      'svn',
    ),
    refused(
      'flipped-register',
      'a bit of MR0',
      { bundle: flipped(80) },
      'platform-signature',
      'MR0',
    ),
    refused(
      'flipped-signature',
      'a bit of the signature',
      { bundle: flipped(300) },
      'platform-signature',
    ),
    undecodable('reserved-flag', 'a flag that is not defined', { flags: 2 }),
    undecodable('reserved-flag-debug', 'with debug', { flags: 0x8000_0001 }),
    undecodable('quote-version', 'a later layout', { layoutVersion: 2 }),
    undecodable('quote-label', 'another label', { label: 'sealwright/simulated-quote/v2' }),
    malformed(
      'quote-short',
      'the last byte is missing',
      canonical({ ...good.bundle, platformEvidence: platformEvidence.slice(0, -2) }),
      '/platformEvidence',
    ),
    malformed(
      'quote-long',
      'a byte too many',
      canonical({ ...good.bundle, platformEvidence: `${platformEvidence}00` }),
      '/platformEvidence',
    ),
    malformed(
      'format',
      'a format that nobody knows',
      made({ bundle: { format: 'tdx-quote/v9' } }),
      '/format',
    ),
  ];
}

function replaced(
  values: EvidenceShapeRegisters,
  index: number,
  by: Uint8Array,
): EvidenceShapeRegisters {
  const [a, b, c] = values;
  return [index === 0 ? by : a, index === 1 ? by : b, index === 2 ? by : c];
}
type EvidenceShapeRegisters = readonly [Uint8Array, Uint8Array, Uint8Array];

function flipByte(text: string, offset: number): string {
  const bytes = fromHex(text);
  bytes[offset] = (bytes[offset] ?? 0) ^ 1;
  return hex(bytes);
}
