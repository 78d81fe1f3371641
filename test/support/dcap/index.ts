import { DOCUMENT_REFUSALS } from './document-refusals.ts';
import {
  CERTIFICATION_REFUSALS,
  CHAIN_REFUSALS,
  LIST_REFUSALS,
  PLATFORM_REFUSALS,
} from './platform-refusals.ts';
import { MODULE_REFUSALS, QUOTE_REFUSALS } from './quote-refusals.ts';
import type { Refusal } from './refusal.ts';

export * from './cases.ts';
export { caCertificate, identifier, pckPem } from './platform-refusals.ts';

/** By what they are about. */
export const DCAP_REFUSALS: Readonly<Record<string, readonly Refusal[]>> = {
  quotes: QUOTE_REFUSALS,
  'TDX modules': MODULE_REFUSALS,
  platforms: PLATFORM_REFUSALS,
  chains: CHAIN_REFUSALS,
  'revocation lists': LIST_REFUSALS,
  'certification data': CERTIFICATION_REFUSALS,
  documents: DOCUMENT_REFUSALS,
};
