// Allowed: an adaptor may name the core's types.
import type { lifecycle } from '../core/lifecycle.ts';
export type Lifecycle = typeof lifecycle;
