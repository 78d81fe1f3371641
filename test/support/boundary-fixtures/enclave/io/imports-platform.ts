export { attester } from '../platform/tpm2/attester.ts';
