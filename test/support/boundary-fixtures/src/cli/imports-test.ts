export { fakeToken } from '../../test/support/fake-token.ts';
