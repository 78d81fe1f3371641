import { expect, test } from 'vitest';
import { lastStatementOf } from '../../src/client/attested-policy.ts';
import { NotBelieved } from '../../src/client/not-believed.ts';
import { thrown } from '../support/vectors.ts';

const answer = (adminDigest: Uint8Array) => ({
  document: new Uint8Array(0),
  adminSequence: 7n,
  adminDigest,
});

test('a next statement names the digest that the host gives', () => {
  const digest = new Uint8Array(32).fill(0xcd);
  expect(lastStatementOf(answer(digest))).toEqual({ sequence: 7, digest });
});

test.each([0, 31, 33])('%i bytes are no digest of a statement', (length) => {
  const error = thrown(() => lastStatementOf(answer(new Uint8Array(length))));
  expect(error).toBeInstanceOf(NotBelieved);
  expect(error).toMatchObject({
    checks: [{ id: 'admin-digest', expected: '32 bytes', found: `${String(length)} bytes` }],
  });
});
