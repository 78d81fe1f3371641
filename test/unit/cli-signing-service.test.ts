import { describe, expect, it, vi } from 'vitest';
import { CliError } from '../../src/cli/cli-error.ts';
import { withSigningService } from '../../src/cli/signing-service.ts';
import type { Connection } from '../../src/cli/connection.ts';
import type { AttestedClient, AttestedKey } from '../../src/client/attested.ts';

const SERVICE = { plain: true };
const socket = { endpoint: { kind: 'socket', path: '/nowhere' } } as Connection;

const signing = (lowestRank: string, use: () => Promise<string>): Promise<string> => {
  const key = { ring: 'release', scope: { payload: 'message', lowestRank, hostAsserted: true } };
  const attested = { service: SERVICE } as unknown as AttestedClient;
  return withSigningService(attested, socket, { key } as AttestedKey, use);
};

describe('over a Unix socket', () => {
  it.each(['session', 'signed', 'of-a-later-release'])(
    'nothing is sent to a ring of rank %s: the host would read it',
    async (rank) => {
      const use = vi.fn(() => Promise.resolve('signed'));
      const error: unknown = await signing(rank, use).catch((reason: unknown) => reason);
      expect(use).not.toHaveBeenCalled();
      if (!(error instanceof CliError)) throw new Error('no refusal', { cause: error });
      expect(error.status).toBe(70);
      expect(error.facts).toMatchObject({
        reason: 'SIGNING_POLICY_DENIED',
        retryable: false,
        metadata: { policyId: 'lowest-rank', ring: 'release', expected: rank, actual: 'peer' },
      });
    },
  );

  it.each(['peer', 'mtls'])(
    'a ring of rank %s, which believes the host, is asked',
    async (rank) => {
      const use = vi.fn(() => Promise.resolve('signed'));
      expect(await signing(rank, use)).toBe('signed');
      expect(use).toHaveBeenCalledWith(SERVICE);
    },
  );
});
