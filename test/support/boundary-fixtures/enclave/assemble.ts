export { attester as assemble } from './platform/simulated/attester.ts';
