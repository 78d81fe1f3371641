export const worker = 'enclave/hsm/worker';
