export { frame } from '../../enclave/wire/frame.ts';
