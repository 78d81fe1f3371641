export { attester } from '../simulated/attester.ts';
