// Allowed: a verifier needs the layouts of what was signed.
export { layouts } from '../../enclave/wire/layouts.ts';
