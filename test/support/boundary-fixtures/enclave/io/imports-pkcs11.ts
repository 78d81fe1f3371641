export * as pkcs11 from 'pkcs11js';
