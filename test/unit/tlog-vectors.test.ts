import { describe, expect, test } from 'vitest';
import { makeVectors } from '../../scripts/vectors/log.ts';
import { runLogVector } from '../support/run-log-vector.ts';

for (const { file, content } of makeVectors()) {
  const forms = Map.groupBy(content.cases, ({ input }) => input['form'] as string);

  describe.each([...forms])(`${file}: %s`, (_form, cases) => {
    test.each(cases)('$id: $comment', async ({ input, expect: verdict, output }) => {
      const found = await runLogVector(input);

      expect(found.verdict).toBe(verdict);
      if (output !== undefined) expect(found.output).toEqual(output);
    });
  });

  test('three negative cases to a positive one, at least, where there are forms to refuse', () => {
    const refusable = content.cases.filter(({ input }) => {
      const form = input['form'] as string;
      return form !== 'tree' && form !== 'tile-width';
    });
    const positive = refusable.filter((one) => one.expect === 'accept' || one.expect === 'warning');

    expect(refusable.length - positive.length).toBeGreaterThanOrEqual(3 * positive.length);
  });
}
