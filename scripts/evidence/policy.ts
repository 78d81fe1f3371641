// The appraisal policy that good evidence meets.
import { fixedBytes, hex } from '../vector-file.ts';
import { changed, type Changes, type Json, type JsonObject } from './bytes.ts';
import { pem, testPlatform, type TestPlatform } from './certificates.ts';
import { GENESIS_DIGEST, REGISTERS, clusterIdOf } from './evidence.ts';

/** A policy that good evidence meets. */
export function makePolicy(
  changes: Changes = {},
  platform: TestPlatform = testPlatform(),
): JsonObject {
  const register = (i: 0 | 1 | 2): Json => ({
    rule: 'require',
    anyOf: [{ name: 'release 1', value: hex(REGISTERS[i]) }],
  });
  return changed(
    {
      v: 1,
      kind: 'appraisal-policy',
      source: { rule: 'release', name: 'release 1' },
      trustAnchors: {
        rule: 'require',
        anyOf: [
          {
            name: 'vectors',
            format: 'sealwright-simulated-quote/v1',
            certificate: pem(platform.root),
          },
        ],
      },
      simulated: { rule: 'accept-simulated', because: 'vectors' },
      registers: { MR0: register(0), MR1: register(1), MR2: register(2) },
      svn: { rule: 'require', atLeast: 1 },
      debug: { rule: 'deny' },
      cluster: { rule: 'require', clusterId: hex(clusterIdOf(GENESIS_DIGEST)) },
      policyDigest: {
        rule: 'require',
        anyOf: [{ name: 'policy 1', value: hex(fixedBytes('policy', 32)) }],
      },
      tokenChannel: { rule: 'skip', because: 'SoftHSM is in the same machine' },
      anchor: { rule: 'skip', because: 'no anchor in this version' },
      provisioning: { rule: 'require', anyOf: ['init-token'] },
      hostAssertedRings: { rule: 'refuse' },
      hardening: { rule: 'require', allOf: ['no-network', 'own-uid'] },
      time: { mode: 'now' },
    },
    changes,
  );
}
