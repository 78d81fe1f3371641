// The simulated entry may reach the simulated platform, and nothing of what follows it.
export { attester } from './platform/simulated/attester.ts';
export * as net from 'node:net';
export * as pkcs11 from 'pkcs11js';
