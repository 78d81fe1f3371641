/** All rows, by format. Each is written from the prose of ../shared/vectors/README.md, not from what our code says. */
import type { VectorRow } from '../platform-vectors.ts';
import { NITRO_ROWS } from './nitro.ts';

export const VECTOR_ROWS: readonly VectorRow[] = [...NITRO_ROWS];

/** Files that no row needs, and why. */
export const UNUSED: Readonly<Record<string, string>> = {};
