/**
 * Signs with the keys of a Sealwright service, and believes nothing that its host says: the enclave must be what
 * `trust` says it is, the key must be vouched for by it, each signature must verify and be in its log.
 *
 * ```ts
 * const service = await connect({ address, trust: parseAppraisalPolicy(reference), identity });
 * const { signature } = await service.signer('release').sign(message);
 * ```
 *
 * @packageDocumentation
 */
export { connect, type ConnectOptions, type Identity } from './sdk/connect.ts';
export { Sealwright, type SessionInfo } from './sdk/sealwright.ts';
export {
  RequestError,
  SealwrightError,
  SecurityError,
  UnavailableError,
  type Advice,
} from './sdk/errors.ts';
export { Signer, type Message, type RingKey, type Signed, type SignOptions } from './sdk/signer.ts';
export { certificateRequest, type CertificateSubject } from './adapters/certificate-request.ts';
export { signCompact, signJwt, type JwsHeader } from './adapters/jwt.ts';
export { nodeSign, type NodeSign, type SignCallback } from './adapters/node-sign.ts';
export type { Attestation } from './attested.ts';
export type { EcdsaEncoding } from './signature-check.ts';
export { parseAppraisalPolicy, type AppraisalPolicy, type Check } from '../verifier/index.ts';
export { encodeReceipt, parseReceipt, type Receipt } from '../tlog/receipt-file.ts';
