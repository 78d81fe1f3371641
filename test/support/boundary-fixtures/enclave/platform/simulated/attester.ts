export const attester = 'enclave/platform/simulated/attester';
