export const layouts = 'enclave/wire/layouts';
