/**
 * Evidence of the simulated platform (docs/spec/simulated-quote.md). It protects nothing, and no root of it is
 * ever a vendor's: whatever is verified here is simulated.
 */
import { equalBytes, label, toHex } from '../../../enclave/wire/bytes.ts';
import { checkPath, type PathProfile } from '../certificate-path.ts';
import { judge, moment, type Check } from '../check.ts';
import {
  REGISTER_NAMES,
  type Attested,
  type EvidenceFormat,
  type PlatformFindings,
} from '../evidence-format.ts';
import { MalformedEvidence, decodingAt } from '../malformed.ts';
import { ECDSA_P384_SHA384 } from '../signature-profile.ts';
import { checkEcdsa, sha256 } from '../web-crypto.ts';
import { parseCertificate, type Certificate } from '../../../enclave/wire/x509/certificate.ts';

const LABEL = label('sealwright/simulated-quote/v1');
const LAYOUT_VERSION = 1;
const DEBUG_FLAG = 1;
const STATEMENT_BYTES = 280;
const QUOTE_BYTES = 376;

const PROFILE: PathProfile = {
  sent: 2,
  signatures: [ECDSA_P384_SHA384],
  leafKey: ECDSA_P384_SHA384,
};

export interface SimulatedEvidence extends Attested {
  /** The signed bytes. */
  readonly statement: Uint8Array;
  /** r ‖ s */
  readonly signature: Uint8Array;
  readonly platformId: Uint8Array;
  readonly reportData: Uint8Array;
  readonly certificates: readonly Certificate[];
}

function decodeQuote(quote: Uint8Array): Omit<SimulatedEvidence, 'certificates'> {
  const fail = (problem: string): never => {
    throw new MalformedEvidence('/platformEvidence', problem);
  };
  if (quote.byteLength !== QUOTE_BYTES) {
    fail(`expected ${String(QUOTE_BYTES)} bytes, found ${String(quote.byteLength)}`);
  }
  if (!equalBytes(quote.subarray(0, LABEL.byteLength), LABEL)) fail('another label');
  const view = new DataView(quote.buffer, quote.byteOffset, quote.byteLength);
  if (view.getUint16(30) !== LAYOUT_VERSION) fail('another layout version');
  const flags = view.getUint32(36);
  // A flag that is not known here could mean anything, even "do not believe this".
  if ((flags & ~DEBUG_FLAG) !== 0) fail('reserved flags are set');
  return {
    statement: quote.subarray(0, STATEMENT_BYTES),
    signature: quote.subarray(STATEMENT_BYTES),
    svn: view.getUint32(32),
    debug: flags === DEBUG_FLAG,
    platformId: quote.subarray(40, 72),
    registers: {
      MR0: quote.subarray(72, 120),
      MR1: quote.subarray(120, 168),
      MR2: quote.subarray(168, 216),
    },
    reportData: quote.subarray(216, STATEMENT_BYTES),
  };
}

async function signatureCheck(evidence: SimulatedEvidence): Promise<Check> {
  const key = evidence.certificates[0]?.publicKey;
  const passed =
    key !== undefined &&
    ECDSA_P384_SHA384.fits(key) &&
    (await checkEcdsa(
      { spki: key.raw, curve: 'P-384', hash: 'SHA-384' },
      evidence.signature,
      evidence.statement,
    ));
  return judge(passed, {
    id: 'platform-signature',
    expected: 'signed by the attestation key',
    found: key === undefined ? 'no attestation key' : passed ? 'signed' : 'not signed by it',
    otherwise: 'the platform never made this quote',
  });
}

async function verifyQuote(
  evidence: SimulatedEvidence,
  expected: Parameters<EvidenceFormat['verify']>[1],
): Promise<PlatformFindings> {
  const path = await checkPath(evidence.certificates, expected.anchors, PROFILE);
  const root = path.anchor?.certificate;
  const rootId = root === undefined ? undefined : await sha256(root);
  const checks = [
    await signatureCheck(evidence),
    ...path.checks,
    judge(rootId !== undefined && equalBytes(rootId, evidence.platformId), {
      id: 'platform-id',
      expected: rootId === undefined ? 'the trust anchor' : toHex(rootId),
      found: toHex(evidence.platformId),
      otherwise: 'the quote names the root of another platform',
    }),
    judge(equalBytes(expected.reportData, evidence.reportData), {
      id: 'report-data',
      expected: toHex(expected.reportData),
      found: toHex(evidence.reportData),
      otherwise: 'the claims are not those that the platform vouches for, or of the other kind',
    }),
  ];
  const { registers, svn, debug } = evidence;
  return {
    checks,
    anchor: path.anchor,
    attested: { registers, svn, debug },
    validity: path.validity,
  };
}

function describeQuote(evidence: SimulatedEvidence): readonly (readonly [string, string])[] {
  const { registers, svn, debug, platformId, reportData, certificates } = evidence;
  return [
    ...REGISTER_NAMES.map((name) => [name, toHex(registers[name])] as const),
    ['svn', String(svn)],
    ['debug', debug ? 'ON' : 'off'],
    ['platform id', toHex(platformId)],
    ['report data', toHex(reportData)],
    ...certificates.map(
      ({ subject, notBeforeMs, notAfterMs }, i) =>
        [
          `certificate ${String(i)}`,
          `${subject.text}, ${moment(notBeforeMs)} to ${moment(notAfterMs)}`,
        ] as const,
    ),
  ];
}

/** `sealwright-simulated-quote/v1` */
export const simulatedFormat: EvidenceFormat<SimulatedEvidence> = {
  name: 'sealwright-simulated-quote/v1',
  platform: 'simulated',
  decode: (platformEvidence, endorsements) => ({
    ...decodeQuote(platformEvidence),
    certificates: endorsements.map((raw, i) =>
      decodingAt(`/endorsements/${String(i)}`, () => parseCertificate(raw)),
    ),
  }),
  describe: describeQuote,
  verify: verifyQuote,
};
