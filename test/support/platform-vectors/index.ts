/** All rows, by format. Each is written from the prose of ../shared/vectors/README.md, not from what our code says. */
import type { VectorRow } from '../platform-vectors.ts';
import { NITRO_ROWS } from './nitro.ts';
import { SEV_SNP_ROWS } from './sev-snp.ts';
import { SGX_ROWS, SGX_UNUSED } from './sgx.ts';
import { TDX_ROWS, TDX_UNUSED } from './tdx.ts';

export const VECTOR_ROWS: readonly VectorRow[] = [
  ...NITRO_ROWS,
  ...SEV_SNP_ROWS,
  ...TDX_ROWS,
  ...SGX_ROWS,
];

/** Files that no row needs, and why. */
export const UNUSED: Readonly<Record<string, string>> = {
  ...TDX_UNUSED,
  ...SGX_UNUSED,
  'sev-snp/aci-milan.uvm_endorsement.cose':
    'Microsoft’s own signed statement of the launch measurement: a source of reference values, not evidence',
};
