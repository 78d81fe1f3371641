import { createHash } from 'node:crypto';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { toHex as hex } from '../../enclave/wire/bytes.ts';
import { AttestedClient, OneCluster } from '../../src/client/attested.ts';
import type { SealwrightClient } from '../../src/client/client.ts';
import { NotBelieved } from '../../src/client/not-believed.ts';
import { parseAppraisalPolicy } from '../../src/verifier/index.ts';
import {
  ADMINS,
  approvalBy,
  clusterIdOf,
  genesisStatement,
  label,
  makeEvidence,
  makePolicy,
  MANIFEST,
  NOW,
  utf8,
  type EvidenceShape,
} from '../support/evidence-maker.ts';

/** Whoever pins a cluster by its admins, or not at all, believes evidence of several. */
const TRUST = parseAppraisalPolicy(
  makePolicy({ cluster: { rule: 'skip', because: 'any cluster of ours will do' } }),
);
/** Another genesis of the same admins. */
function otherCluster(): Pick<EvidenceShape, 'claims' | 'genesis'> {
  const manifest = MANIFEST.replace(/"name":"[^"]*"/, '"name":"another"');
  const digest = createHash('sha256')
    .update(label('sealwright/genesis/v1'))
    .update(manifest)
    .digest();
  const claims = { clusterId: hex(clusterIdOf(digest)), genesisDigest: hex(digest) };
  const statement = genesisStatement(claims);
  const approvals = [ADMINS.alice, ADMINS.bob].map((admin) => approvalBy(admin, statement));
  return { claims, genesis: { manifest, statement, approvals } };
}

let shape: Partial<EvidenceShape>;
const service = {
  getEvidence: (nonce: Uint8Array) =>
    Promise.resolve(utf8(makeEvidence({ ...shape, freshness: { nonce } }).text)),
} as unknown as SealwrightClient;

beforeEach(() => {
  shape = {};
  vi.useFakeTimers({ toFake: ['Date'], now: NOW });
});
afterEach(() => {
  vi.useRealTimers();
});

async function failedChecks(promise: Promise<unknown>): Promise<readonly string[]> {
  const error: unknown = await promise.catch((reason: unknown) => reason);
  if (!(error instanceof NotBelieved)) throw new Error('believed', { cause: error });
  return error.checks.map(({ id }) => id);
}

it('evidence of another cluster than the first is not believed', async () => {
  const attested = new AttestedClient(service, TRUST);
  await attested.attest();
  await attested.attest();
  shape = otherCluster();
  expect(await failedChecks(attested.attest())).toEqual(['cluster-changed']);
  // It is the first one alone that is held against it.
  expect(await failedChecks(attested.attest())).toEqual(['cluster-changed']);
  await new AttestedClient(service, TRUST).attest();
});

it('the clients of one connection have one cluster', async () => {
  const cluster = new OneCluster();
  await new AttestedClient(service, TRUST, cluster).attest();
  shape = otherCluster();
  const other = new AttestedClient(service, TRUST, cluster);
  expect(await failedChecks(other.attest())).toEqual(['cluster-changed']);
});
