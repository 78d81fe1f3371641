export const digest = 'enclave/payload/digest';
