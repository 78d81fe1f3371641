import { generateKeyPairSync } from 'node:crypto';
import { beforeEach, describe, expect, it } from 'vitest';
import { CheckpointSigner } from '../../enclave/log/checkpoint.ts';
import { leafHash } from '../../enclave/log/tree.ts';
import { treeHash } from '../../scripts/log-maker.ts';
import type { Attestation } from '../../src/client/attested.ts';
import { Checkpoints } from '../../src/client/checkpoints.ts';
import { SealwrightClient } from '../../src/client/client.ts';
import { NotBelieved } from '../../src/client/not-believed.ts';
import { proofHost } from '../support/proof-host.ts';

const ORIGIN = 'log.example/test';
const { publicKey, privateKey } = generateKeyPairSync('ed25519');
const raw = Uint8Array.from(publicKey.export({ format: 'der', type: 'spki' }).subarray(-32));
const signer = new CheckpointSigner(ORIGIN, privateKey, raw);
const LOG = { origin: ORIGIN, publicKey: raw };
const ATTESTATION = { log: LOG } as Attestation;

const hashes = Array.from({ length: 9 }, (_, i) => leafHash(Uint8Array.of(i)));
const noteOf = (size: number): string => signer.sign(size, treeHash(hashes.slice(0, size)));
/** The log key signed it, and it is no tree of ours. */
const forkOf = (size: number): string => signer.sign(size, new Uint8Array(32).fill(size));

const host = new SealwrightClient(proofHost(() => hashes));

let checkpoints: Checkpoints;
beforeEach(() => {
  checkpoints = new Checkpoints(host, noteOf(5));
});

const meet = async (head: string): Promise<void> => {
  const before = await checkpoints.newest(LOG);
  await checkpoints.meet(head, ATTESTATION, before);
};

async function failedChecks(promise: Promise<unknown>): Promise<readonly string[]> {
  const error: unknown = await promise.catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(NotBelieved);
  return (error as NotBelieved).checks.map(({ id }) => id);
}

describe('the newest checkpoint that was verified', () => {
  it('is the one that was given, until the log has grown by more leaves', async () => {
    expect(checkpoints.note).toBe(noteOf(5));
    await meet(noteOf(5));
    expect(checkpoints.note).toBe(noteOf(5));
    await meet(noteOf(8));
    expect(checkpoints.note).toBe(noteOf(8));
  });

  it('is that of a receipt, when that is larger', async () => {
    await meet(noteOf(6));
    checkpoints.saw(noteOf(9));
    checkpoints.saw(noteOf(7));
    expect(checkpoints.note).toBe(noteOf(9));
  });

  it('is none at the beginning', async () => {
    const first = new Checkpoints(host, undefined);
    expect([first.note, await first.newest(LOG)]).toEqual([undefined, undefined]);
    await first.meet('', ATTESTATION, undefined);
    expect(first.note).toBeUndefined();
    await first.meet(noteOf(1), ATTESTATION, undefined);
    expect(first.note).toBe(noteOf(1));
  });
});

describe('a log is not believed', () => {
  it.each([
    ['that is older', noteOf(4)],
    ['of the same size with another root', forkOf(5)],
    ['that does not continue it', forkOf(8)],
    ['that is gone', ''],
  ])('%s', async (_name, head) => {
    expect(await failedChecks(meet(head))).toEqual(['log-consistency']);
    expect(checkpoints.note).toBe(noteOf(5));
  });

  it('that another key signs', async () => {
    const other = generateKeyPairSync('ed25519');
    const log = {
      origin: ORIGIN,
      publicKey: Uint8Array.from(
        other.publicKey.export({ format: 'der', type: 'spki' }).subarray(-32),
      ),
    };
    expect(await failedChecks(checkpoints.newest(log))).toEqual(['checkpoint-signature']);
    expect(await failedChecks(checkpoints.newest({ ...LOG, origin: 'other' }))).toEqual([
      'checkpoint-origin',
      'checkpoint-signature',
    ]);
  });

  it('whose head is no checkpoint', async () => {
    expect(await failedChecks(meet('nonsense'))).toEqual(['checkpoint-form']);
  });

  it('when two receipts show two trees of one size', () => {
    checkpoints.saw(noteOf(7));
    expect(() => {
      checkpoints.saw(forkOf(7));
    }).toThrow(NotBelieved);
    expect(checkpoints.note).toBe(noteOf(7));
  });
});
