export const fakeToken = 'test/support/fake-token';
