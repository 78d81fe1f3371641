export const lifecycle = 'enclave/core/lifecycle';
