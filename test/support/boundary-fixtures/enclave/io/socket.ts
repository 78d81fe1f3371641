export const socket = 'enclave/io/socket';
