export { CipherSuite } from 'hpke';
