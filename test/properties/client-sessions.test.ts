/** Whatever a host does to calls in sessions, short of touching records: each is answered, and signed once. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ERROR_CODES, type Reason } from '../../enclave/wire/error-code.ts';
import { toHex } from '../../enclave/wire/bytes.ts';
import { SealwrightClient } from '../../src/client/client.ts';
import { persist } from '../../src/client/sdk/persist.ts';
import { NotOpened } from '../../src/client/session/not-opened.ts';
import { hostSays, SessionBed, type Host } from '../support/session-bed.ts';
import { leavesOf } from '../support/log-audit.ts';
import { runs } from '../support/runs.ts';

const PATIENCE_MS = 120_000;
/** With SLOW=1, on a loaded machine. */
const TEST_MS = 900_000;
const CALLS = 12;

/** What becomes of one message of the host. */
const fate = fc.oneof(
  { weight: 6, arbitrary: fc.constant({ kind: 'carried' } as const) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constantFrom('not-brought' as const, 'answer-lost' as const),
      says: fc.constantFrom(...(Object.keys(ERROR_CODES) as Reason[])),
    }),
  },
  { weight: 1, arbitrary: fc.constant({ kind: 'answer-lost', says: 'SESSION_REFUSED' } as const) },
  { weight: 1, arbitrary: fc.constant({ kind: 'slow' } as const) },
);

type Fate = typeof fate extends fc.Arbitrary<infer Value> ? Value : never;

function hostOf(fates: readonly Fate[]): Host {
  let at = 0;
  const carried = async <T>(truth: () => Promise<T>): Promise<T> => {
    const next = fates[at];
    at += 1;
    if (next === undefined || next.kind === 'carried') return truth();
    if (next.kind === 'slow') {
      const answer = await truth();
      await new Promise((resolve) => setTimeout(resolve, 5));
      return answer;
    }
    if (next.kind === 'answer-lost') await truth();
    throw hostSays(next.says);
  };
  return {
    open: (message, truth) => truth(message),
    call: (record, truth) => carried(() => truth(record)),
  };
}

/** Three refused openings are told to the caller, who is to come later. */
function comeAgain(error: unknown): never {
  throw error instanceof NotOpened ? hostSays('SESSION_REFUSED') : error;
}

test(
  'every call is answered, and there is one signature for each',
  async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fate, { minLength: 20, maxLength: 60, size: 'max' }),
        async (fates) => {
          const bed = await SessionBed.start();
          bed.host = hostOf(fates);
          const client = new SealwrightClient(bed.transport());
          const ids = Array.from({ length: CALLS }, (_, i) => new Uint8Array(16).fill(i + 1));
          const answers = await Promise.all(
            ids.map((requestId) => {
              const payload = { $case: 'message', value: { message: requestId } } as const;
              const request = { ring: 'release', payload, requestId };
              return persist(PATIENCE_MS, (timeoutMs) =>
                client.sign(request, { timeoutMs, requestId }).catch(comeAgain),
              );
            }),
          );
          const signed = leavesOf(bed.world.logStore).flatMap((leaf) =>
            leaf.kind === 'signature' ? [leaf.requestId] : [],
          );
          expect(signed.toSorted()).toEqual(ids.map(toHex).toSorted());
          expect(new Set(answers.map(({ signature }) => toHex(signature))).size).toBe(CALLS);
        },
      ),
      runs(12),
    );
  },
  TEST_MS,
);
