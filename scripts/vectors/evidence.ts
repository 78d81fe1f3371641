// Vectors of docs/spec/evidence.md, docs/spec/appraisal-policy.md and docs/spec/key-statement.md.
//
// evidence.json: `input` is {bundle, policy, now, nonce | noNonce, kind?}; `expect` is the verdict, or `malformed`.
// `output.failed` and `output.warned` are the ids of the checks with that verdict, in order; `output.place` says where
// malformed bytes are. A bundle or policy {"as": ID} is that of the named case,
// with the members of `with` in place of its own. The keys are public knowledge: trust no root of this file.
import { acceptedCases } from '../evidence-cases/accepted.ts';
import { claimCases } from '../evidence-cases/claims.ts';
import { quoteCases } from '../evidence-cases/quotes.ts';
import { chainCases, certificateCases } from '../evidence-cases/chains.ts';
import { timeCases, freshnessCases } from '../evidence-cases/time.ts';
import { policyCases } from '../evidence-cases/policy.ts';
import { undecodableCases } from '../evidence-cases/undecodable.ts';
import { keyStatementCases } from '../evidence-cases/key-statements.ts';
import type { VectorFile } from '../vector-file.ts';

export function makeVectors(): VectorFile[] {
  const cases = [
    ...acceptedCases(),
    ...claimCases(),
    ...quoteCases(),
    ...chainCases(),
    ...certificateCases(),
    ...timeCases(),
    ...freshnessCases(),
    ...policyCases(),
    ...undecodableCases(),
  ];
  return [
    { file: 'evidence.json', content: { spec: 'docs/spec/evidence.md', specVersion: 1, cases } },
    {
      file: 'key-statement.json',
      content: { spec: 'docs/spec/key-statement.md', specVersion: 1, cases: keyStatementCases() },
    },
  ];
}
