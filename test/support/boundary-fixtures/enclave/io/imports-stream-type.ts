// Allowed: a type of Node is gone from the bundle.
export type { Duplex } from 'node:stream';
