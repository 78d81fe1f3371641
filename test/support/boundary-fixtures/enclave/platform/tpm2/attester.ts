export const attester = 'enclave/platform/tpm2/attester';
