// Allowed: the wire format is shared.
export { frame } from '../../enclave/wire/frame.ts';
