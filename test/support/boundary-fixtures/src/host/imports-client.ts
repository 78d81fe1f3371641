export { signer } from '../client/signer.ts';
