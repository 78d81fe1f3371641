export { layouts } from '../../enclave/wire/layouts.ts';
