import type { VectorRow } from '../platform-vectors.ts';

export const NITRO_ROWS: readonly VectorRow[] = [];
