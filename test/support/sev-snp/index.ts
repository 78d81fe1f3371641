/** Every way for SEV-SNP evidence to be wrong that one word answers, with the checks that must fail. */
import { CERTIFICATE_REFUSALS } from './certificate-refusals.ts';
import { CHAIN_REFUSALS, LIST_REFUSALS } from './chain-refusals.ts';
import { POLICY_REFUSALS } from './policy-refusals.ts';
import { REPORT_REFUSALS } from './report-refusals.ts';
import { TABLE_REFUSALS } from './table-refusals.ts';

export * from './cases.ts';

export const SNP_REFUSALS = {
  report: REPORT_REFUSALS,
  certificate: CERTIFICATE_REFUSALS,
  chain: CHAIN_REFUSALS,
  'revocation list': LIST_REFUSALS,
  policy: POLICY_REFUSALS,
  'certificate table': TABLE_REFUSALS,
} as const;
