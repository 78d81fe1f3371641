// Allowed: this is the one file.
export { p256 } from '@noble/curves/nist.js';
