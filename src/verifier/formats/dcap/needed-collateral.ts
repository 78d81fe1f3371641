/** What Intel publishes for one quote, and where. Texts for people and their scripts: nothing here fetches. */
import type { Collateral, CollateralItem } from '../../platform-format.ts';
import {
  ALL_IN_ONE,
  PCK_CERTIFICATE,
  PCK_ISSUERS,
  QE_SIGNING_CHAIN,
  ROOT_CRL,
  TCB_SIGNING_CHAIN,
  pckCrlName,
  qeIdentityName,
  readGivenPckChain,
  tcbInfoName,
} from './collateral.ts';
import { collateralOwner, type DcapEvidence } from './verify-dcap.ts';

const SERVICE = 'https://api.trustedservices.intel.com';
const ROOT_LIST = 'https://certificates.trustedservices.intel.com/IntelSGXRootCA.der';

export function neededCollateral(
  evidence: DcapEvidence,
  given: Collateral,
): readonly CollateralItem[] {
  const chain = evidence.chain ?? readGivenPckChain(given);
  const owner = collateralOwner(evidence, chain);
  const { tee, fmspc, ca } = owner;
  const tcb = `${SERVICE}/${tee}/certification/v4/tcb?fmspc=${fmspc ?? 'FMSPC'}`;
  const complete = given.has(ALL_IN_ONE);
  const item = (
    name: string,
    what: string,
    publishedAt: string,
    required = true,
  ): CollateralItem => ({
    name,
    what,
    publishedAt,
    present: given.has(name) || (required && complete),
    required,
  });
  return [
    item(tcbInfoName(owner), 'TCB info of the platform', tcb),
    item(
      TCB_SIGNING_CHAIN,
      'who signed the TCB info, percent-decoded',
      `header TCB-Info-Issuer-Chain of ${tcb}`,
    ),
    item(
      qeIdentityName(owner),
      'identity of the quoting enclave',
      `${SERVICE}/${tee}/certification/v4/qe/identity`,
    ),
    item(
      QE_SIGNING_CHAIN,
      'who signed that identity, when it is another chain',
      `header SGX-Enclave-Identity-Issuer-Chain of ${SERVICE}/${tee}/certification/v4/qe/identity`,
      false,
    ),
    item(
      pckCrlName(owner),
      'revoked PCK certificates, DER',
      `${SERVICE}/sgx/certification/v4/pckcrl?ca=${ca ?? 'platform'}&encoding=der`,
    ),
    item(ROOT_CRL, 'what the root revoked, DER', ROOT_LIST),
    ...(evidence.chain === undefined
      ? [
          item(
            PCK_CERTIFICATE,
            'PCK certificate of the platform: the quote carries none',
            `${SERVICE}/sgx/certification/v4/pckcert, or the PCCS of the platform`,
          ),
          item(
            PCK_ISSUERS,
            'who issued the PCK certificate, percent-decoded, unless it is in that file',
            `header SGX-PCK-Certificate-Issuer-Chain of ${SERVICE}/sgx/certification/v4/pckcert`,
            false,
          ),
        ]
      : []),
    item(
      ALL_IN_ONE,
      'all of it in one document, as quote verification libraries write it',
      'PCCS clients',
      false,
    ),
  ];
}
