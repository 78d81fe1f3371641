import { describe, expect, test } from 'vitest';
import { makeVectors } from '../../scripts/vectors/evidence.ts';
import { resolveCases, runEvidenceVector } from '../support/run-evidence-vector.ts';

for (const { file, content } of makeVectors()) {
  describe(file, () => {
    for (const { id, comment, input, expect: verdict, output } of resolveCases(content.cases)) {
      test(`${id}: ${comment}`, async () => {
        const found = await runEvidenceVector(input);

        expect(found).toMatchObject({
          verdict,
          failed: output?.['failed'] ?? [],
          ...(output?.['warned'] === undefined ? {} : { warned: output['warned'] }),
          place: output?.['place'],
        });
      });
    }

    test('three negative cases to a positive one, at least', () => {
      const verdicts = content.cases.map((one) => one.expect);
      const negative = verdicts.filter((one) => one === 'contraindicated' || one === 'malformed');

      expect(negative.length).toBeGreaterThanOrEqual(3 * (verdicts.length - negative.length));
    });
  });
}
