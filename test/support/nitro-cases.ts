/** Documents of this run's roots, judged; and how many were accepted and refused in a test file. */
import { expect } from 'vitest';
import {
  NITRO_NONCE,
  makeNitro,
  nitroPolicy,
  type NitroShape,
  type Writable,
} from '../../scripts/evidence/nitro/index.ts';
import { NOW } from '../../scripts/evidence/index.ts';
import { judgePlatform, type PlatformCase, type PlatformOutcome } from './run-platform-vector.ts';

export const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

export const tally = { accepted: 0, refused: 0 };

type Members = Readonly<Record<string, unknown>>;

/** A good case, but for changes of document, policy and call. */
export function nitroCase(
  shape: Partial<NitroShape> = {},
  policy: Members = {},
  input: Partial<PlatformCase> = {},
): PlatformCase {
  return {
    evidence: hex(makeNitro(shape)),
    collateral: {},
    policy: nitroPolicy(policy),
    now: NOW,
    nonce: hex(NITRO_NONCE),
    ...input,
  };
}

type Changes = Parameters<typeof nitroCase>;

export const judge = (...changes: Changes): Promise<PlatformOutcome> =>
  judgePlatform(nitroCase(...changes));

/** Nothing failed; that the root is a test's is the one warning. */
export async function expectGood(...changes: Changes): Promise<void> {
  const { verdict, failed, warned, place } = await judge(...changes);

  expect({ verdict, failed, warned, place }).toEqual({
    verdict: 'warning',
    failed: [],
    warned: ['simulated'],
    place: undefined,
  });
  tally.accepted += 1;
}

/** These checks failed, and no other. */
export async function expectRefused(ids: readonly string[], ...changes: Changes): Promise<void> {
  const { verdict, failed } = await judge(...changes);

  expect({ verdict, failed: [...failed].sort() }).toEqual({
    verdict: 'contraindicated',
    failed: [...ids].sort(),
  });
  tally.refused += 1;
}

export const member = (name: string, value: Writable | undefined): Partial<NitroShape> => ({
  members: { [name]: value },
});
