import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SUITES } from '../../enclave/wire/session/suites.ts';
import { makeVectors } from '../../scripts/vectors/measurement.ts';
import {
  encodeLaunchManifest,
  moduleSettingsProblems,
  NODE_FLAGS,
  resolvePlaces,
  SOFTHSM,
  type ModuleSettings,
} from '../../src/simulator/launch-manifest.ts';
import {
  measure,
  measureBundles,
  measureLaunch,
  measureRuntime,
  type EntryKind,
  type MeasuredParts,
} from '../../src/simulator/measurement.ts';

interface MeasurementCase {
  readonly id: string;
  readonly expect: string;
  readonly input: {
    readonly register?: 'MR0' | 'MR1' | 'MR2';
    readonly entry?: EntryKind;
    readonly files?: Readonly<Record<string, string>>;
    readonly manifest?: string;
    readonly settings?: ModuleSettings;
  };
  readonly output?: { readonly register: string };
}

const read = (file: string): string =>
  readFileSync(new URL(`../vectors/${file}`, import.meta.url), 'utf8');
const { cases } = JSON.parse(read('measurement.json')) as { cases: MeasurementCase[] };
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

function registerOf(input: MeasurementCase['input']): Uint8Array {
  const files = Object.fromEntries(
    Object.entries(input.files ?? {}).map(([name, digest]) => [
      name,
      Uint8Array.from(Buffer.from(digest, 'hex')),
    ]),
  );
  switch (input.register) {
    case 'MR0':
      return measureBundles(input.entry ?? 'production', files);
    case 'MR1':
      return measureRuntime(files);
    case 'MR2':
      return measureLaunch(Buffer.from(input.manifest ?? '', 'utf8'));
    default:
      throw new Error('no register');
  }
}

describe('vectors', () => {
  it.each(cases.map((one) => [one.id, one] as const))(
    '%s',
    (_, { input, expect: expected, output }) => {
      if (input.settings !== undefined) {
        expect(moduleSettingsProblems(input.settings).length > 0).toBe(expected !== 'accept');
      } else if (expected === 'accept') expect(hex(registerOf(input))).toBe(output?.register);
      else expect(() => registerOf(input)).toThrow(RangeError);
    },
  );

  it('are distinct measurements', () => {
    const registers = cases.flatMap(({ output }) =>
      output === undefined ? [] : [output.register],
    );
    expect(new Set(registers).size).toBe(registers.length);
  });

  it('are what the generator writes', () => {
    for (const { file, content } of makeVectors()) expect(JSON.parse(read(file))).toEqual(content);
  });
});

const digest = fc.uint8Array({ minLength: 48, maxLength: 48 });
const files = fc.dictionary(fc.string({ minLength: 1, maxLength: 12 }), digest, { minKeys: 1 });
const parts: fc.Arbitrary<MeasuredParts> = fc.record({
  entry: fc.constantFrom<EntryKind>('production', 'simulated'),
  bundles: files,
  runtime: files,
  launchManifest: fc.uint8Array({ minLength: 1, maxLength: 200 }),
});
const runs = process.env['SLOW'] === '1' ? 5000 : 200;

/** Which registers differ. */
function changed(before: MeasuredParts, after: MeasuredParts): boolean[] {
  const [a, b] = [measure(before), measure(after)];
  return a.map((register, i) => hex(register) !== hex(b[i] ?? new Uint8Array()));
}

const flip = (bytes: Uint8Array, at: number): Uint8Array =>
  bytes.map((byte, i) => (i === at % bytes.byteLength ? byte ^ 1 : byte));

describe('a change of one byte', () => {
  it.each([
    ['bundles', [true, false, false]],
    ['runtime', [false, true, false]],
  ] as const)('of a file of %s changes its register and no other', (list, expected) => {
    fc.assert(
      fc.property(parts, fc.nat(), (before, at) => {
        const [name = ''] = Object.keys(before[list]);
        const digestBefore = before[list][name] ?? new Uint8Array(48);
        const after = { ...before, [list]: { ...before[list], [name]: flip(digestBefore, at) } };
        expect(changed(before, after)).toEqual(expected);
      }),
      { numRuns: runs },
    );
  });

  it('of a name changes the register', () => {
    fc.assert(
      fc.property(parts, (before) => {
        const [name = '', ...others] = Object.keys(before.runtime);
        const renamed = `${name}x`;
        fc.pre(!others.includes(renamed) && name !== '__proto__');
        const { [name]: moved = new Uint8Array(48), ...rest } = before.runtime;
        const after = { ...before, runtime: { ...rest, [renamed]: moved } };
        expect(changed(before, after)).toEqual([false, true, false]);
      }),
      { numRuns: runs },
    );
  });

  it('of the manifest changes MR2 only', () => {
    fc.assert(
      fc.property(parts, fc.nat(), (before, at) => {
        const after = { ...before, launchManifest: flip(before.launchManifest, at) };
        expect(changed(before, after)).toEqual([false, false, true]);
      }),
      { numRuns: runs },
    );
  });

  it('of the entry kind changes MR0 only', () => {
    fc.assert(
      fc.property(parts, (before) => {
        const entry = before.entry === 'production' ? 'simulated' : 'production';
        expect(changed(before, { ...before, entry })).toEqual([true, false, false]);
      }),
      { numRuns: runs },
    );
  });
});

it('does not depend on the order of files', () => {
  fc.assert(
    fc.property(parts, (before) => {
      const reversed = Object.fromEntries(Object.entries(before.runtime).reverse());
      expect(changed(before, { ...before, runtime: reversed })).toEqual([false, false, false]);
    }),
    { numRuns: runs },
  );
});

describe('launch manifest', () => {
  const manifest = {
    svn: 1,
    entry: 'simulated',
    nodeFlags: NODE_FLAGS,
    workers: 2,
    suite: SUITES[1].word,
    moduleName: 'libsofthsm2.so',
    moduleDigest: Uint8Array.from(createHash('sha384').digest()),
    moduleOptions: SOFTHSM.options,
    moduleEnvironment: SOFTHSM.environment,
  } as const;

  it('names no path of the host', () => {
    const text = Buffer.from(encodeLaunchManifest(manifest)).toString('utf8');
    // The one path is the same everywhere: Node is told to read no configuration.
    expect(text.replace('--openssl-config=/dev/null', '')).not.toMatch(/"[^"]*\//);
  });

  it('replaces whole values only', () => {
    const places = { '@config': '/a', '@folder': '/b', '@libraries': '/c' };
    expect(resolvePlaces({ x: '@config', y: 'z@config', z: '@other' }, places)).toEqual({
      x: '/a',
      y: 'z@config',
      z: '@other',
    });
  });
});
