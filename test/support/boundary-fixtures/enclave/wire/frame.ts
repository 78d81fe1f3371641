export const frame = 'enclave/wire/frame';
