/** test/vectors/policy.json and policy-decision.json. */
import { describe, expect, it } from 'vitest';
import { toHex, utf8 } from '../../enclave/wire/bytes.ts';
import { ObjectReader } from '../../enclave/wire/closed-schema.ts';
import { MAX_POLICY_BYTES } from '../../enclave/wire/limits.ts';
import { PolicyRules, type Asked } from '../../enclave/wire/policy/decide.ts';
import { parsePolicy, type Policy } from '../../enclave/wire/policy/document.ts';
import { parseSignedJson, SignedJsonError } from '../../enclave/wire/signed-json.ts';
import { policyDigest } from '../../src/cli/policy/read-policy.ts';
import { outputOf, readVectors, thrown } from '../support/vectors.ts';

interface DecisionInput {
  readonly document: string;
  readonly asked: Asked;
}

const documents = readVectors<{ readonly document: string }>('policy.json');
const decisions = readVectors<DecisionInput>('policy-decision.json');

const parsed = (document: string): Policy =>
  parsePolicy(new ObjectReader(parseSignedJson(utf8(document), MAX_POLICY_BYTES)));

describe('documents', () => {
  it.each(documents)('$id: $comment', (one) => {
    const { document } = one.input;
    const error = thrown(() => parsed(document));
    if (one.expect === 'accept') {
      expect(error).toBeUndefined();
      expect({ policyDigest: toHex(policyDigest(utf8(document))) }).toEqual(outputOf(one));
    } else {
      expect(error).toBeInstanceOf(SignedJsonError);
      expect(error).toMatchObject(outputOf(one));
    }
  });
});

describe('decisions', () => {
  it.each(decisions)('$id: $comment', (one) => {
    const { document, asked } = one.input;
    const decision = new PolicyRules(parsed(document)).decide(asked);
    const found = decision.allowed
      ? { expect: 'accept', output: { caller: decision.caller.name } }
      : { expect: decision.reason, output: { rule: decision.rule } };
    expect(found).toEqual({ expect: one.expect, output: outputOf(one) });
  });

  it('has cases of every rule', () => {
    const rules = new Set(decisions.map(({ output }) => output?.['rule']));
    expect(rules.size - 1).toBe(7);
    expect(documents.length).toBeGreaterThan(60);
  });
});
