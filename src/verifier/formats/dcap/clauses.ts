/** Where Intel's documents demand what is checked. */
const QUOTE_API = 'Intel SGX DCAP ECDSA Quote Library API, A.4';
const TDX_API = 'Intel TDX DCAP Quoting Library API, A.3';
const PCK_PROFILE = 'Intel SGX PCK Certificate and CRL Profile Specification';
const PCS = 'Intel PCS API v4';

export const CLAUSE = {
  quote: `${QUOTE_API}; ${TDX_API}: quote signature data`,
  attestationKey: `${QUOTE_API}; ${TDX_API}: QE report data`,
  qeReport: `${QUOTE_API}; ${TDX_API}: QE report signature`,
  certification: `${QUOTE_API}; ${TDX_API}: certification data`,
  pckChain: `${PCK_PROFILE}: PCK certificate chain`,
  crl: `${PCK_PROFILE}: certificate revocation lists`,
  tcbInfo: `${PCS}: Get TCB Info, signature and TCB-Info-Issuer-Chain`,
  tcbLevel: `${PCS}: Get TCB Info, TCB level comparison`,
  evaluation: `${PCS}: issueDate, nextUpdate, tcbEvaluationDataNumber`,
  enclave: `${QUOTE_API}: enclave report body`,
  module: `${PCS}: Get TDX TCB Info, tdxModule and tdxModuleIdentities`,
  qeIdentity: `${PCS}: Get QE Identity, signature and issuer chain`,
  qe: `${PCS}: Get QE Identity, verification of the enclave report`,
  tdAttributes: `${TDX_API}: TDATTRIBUTES; Intel TDX Module ABI: ATTRIBUTES`,
  sgxAttributes: `${QUOTE_API}: ATTRIBUTES; Intel SDM vol. 3, ATTRIBUTES`,
} as const;
