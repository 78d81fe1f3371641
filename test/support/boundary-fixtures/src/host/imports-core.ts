export { lifecycle } from '../../enclave/core/lifecycle.ts';
