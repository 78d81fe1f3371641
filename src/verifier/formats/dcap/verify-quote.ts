/** The quote itself: from the platform's PCK certificate to the quoting enclave, its key, and what it signed. */
import { concatBytes, equalBytes, fromHex, toHex } from '../../../../enclave/wire/bytes.ts';
import { judge, type Check } from '../../check.ts';
import { ECDSA_P256_SHA256 } from '../../signature-profile.ts';
import { checkEcdsa, sha256 } from '../../web-crypto.ts';
import type { Certificate } from '../../../../enclave/wire/x509/certificate.ts';
import { CLAUSE } from './clauses.ts';
import { INTEL_NAMES, type PckPlatform } from './pck-certificate.ts';
import { describeCertification, readPlainIdentifier } from './pck-chain.ts';
import type { Quote } from './quote.ts';

/** SubjectPublicKeyInfo of a P-256 key up to x (RFC 5480 §2). */
const P256_SPKI = fromHex('3059301306072a8648ce3d020106082a8648ce3d03010703420004');

const P256 = { curve: 'P-256', hash: 'SHA-256' } as const;

export async function checkQuoteSignatures(
  quote: Quote,
  pck: Certificate | undefined,
): Promise<Check[]> {
  return [
    signed(
      await checkEcdsa(
        { spki: concatBytes(P256_SPKI, quote.attestationKey), ...P256 },
        quote.signature,
        quote.signed,
      ),
      'platform-signature',
      'the attestation key of the quote',
      'the quoting enclave never signed this report',
      CLAUSE.quote,
    ),
    await attestationKeyCheck(quote),
    signed(
      pck !== undefined &&
        ECDSA_P256_SHA256.fits(pck.publicKey) &&
        (await checkEcdsa(
          { spki: pck.publicKey.raw, ...P256 },
          quote.qeReportSignature,
          quote.qeReport.raw,
        )),
      'qe-report-signature',
      'the PCK certificate',
      'no Intel platform vouches for this quoting enclave',
      CLAUSE.qeReport,
    ),
  ];
}

function signed(passed: boolean, id: string, by: string, otherwise: string, clause: string): Check {
  const found = passed ? 'signed' : 'not signed by it';
  return judge(passed, { id, expected: `signed by ${by}`, found, otherwise, clause });
}

/** The quoting enclave's report data is the hash of the key, then zeros. */
async function attestationKeyCheck(quote: Quote): Promise<Check> {
  const hash = await sha256(concatBytes(quote.attestationKey, quote.qeAuthentication));
  const expected = concatBytes(hash, new Uint8Array(32));
  const { reportData } = quote.qeReport;
  return judge(equalBytes(expected, reportData), {
    id: 'attestation-key',
    expected: toHex(expected),
    found: toHex(reportData),
    otherwise: 'the key that signed the quote is not the one of the quoting enclave',
    clause: CLAUSE.attestationKey,
  });
}

/** Where the PCK certificate came from, and that it is one. */
export function checkPck(
  quote: Quote,
  chain: readonly Certificate[],
  platform: PckPlatform | string,
): Check[] {
  const [leaf, ca] = chain;
  const { processorCa, platformCa, pck } = INTEL_NAMES;
  const caName = ca?.subject.text;
  const isPck =
    leaf?.subject.text === pck &&
    (caName === processorCa || caName === platformCa) &&
    typeof platform !== 'string';
  const present = judge(leaf !== undefined, {
    id: 'certification-data',
    expected: 'type 5 (PCK certificate chain)',
    found: describeCertification(quote.certification),
    otherwise: 'the quote does not carry its PCK chain, and the collateral has none either',
    clause: CLAUSE.certification,
  });
  if (leaf === undefined) return [present];
  const problem = typeof platform === 'string' ? `: ${platform}` : '';
  return [
    present,
    judge(isPck, {
      id: 'pck-certificate',
      expected: `${pck}, of ${processorCa} or ${platformCa}, with SGX extensions`,
      found: `${leaf.subject.text}, of ${caName ?? 'nobody'}${problem}`,
      otherwise: 'another certificate, which vouches for no platform',
      clause: CLAUSE.pckChain,
    }),
    ...identifierChecks(quote, platform),
  ];
}

/** A quote that only names its platform must name the one whose certificate came beside it. */
function identifierChecks(quote: Quote, platform: PckPlatform | string): Check[] {
  const named = readPlainIdentifier(quote.certification);
  if (named === undefined || typeof platform === 'string') return [];
  const text = (of: Pick<PckPlatform, 'ppid' | 'cpuSvn' | 'pceSvn'>): string =>
    `PPID ${toHex(of.ppid)}, CPUSVN ${toHex(of.cpuSvn)}, PCESVN ${String(of.pceSvn)}`;
  return [
    judge(text(named) === text(platform), {
      id: 'certification-identifier',
      expected: text(platform),
      found: text(named),
      otherwise: 'the PCK certificate is of another platform or of another TCB',
      clause: CLAUSE.certification,
    }),
  ];
}
