// The evidence is genuine, and not what the policy wants.
import { NONCE, pem, testPlatform, type Json, type JsonObject } from '../evidence/index.ts';
import { fixedBytes, hex, type VectorCase } from '../vector-file.ts';
import { refused, made, withPolicy, value } from './asked.ts';

export function policyCases(): VectorCase[] {
  const wants = (
    id: string,
    comment: string,
    changes: JsonObject,
    ...failed: string[]
  ): VectorCase => refused(id, comment, withPolicy(changes), ...failed);
  const words = (...anyOf: string[]): Json => ({ rule: 'require', anyOf });
  const anchorAs = (format: string, name = 'good'): Json => ({
    rule: 'require',
    anyOf: [{ name: 'vectors', format, certificate: pem(testPlatform(name).root) }],
  });
  const noAnchor = [
    'trust-anchor',
    'chain-signatures',
    'chain-names',
    'chain-algorithms',
    'chain-authority',
    'chain-path-length',
    'chain-key-usage',
    'chain-extensions',
    'chain-key-ids',
    'platform-id',
    'trust-anchor-accepted',
  ];
  return [
    wants(
      'simulated-refused',
      'the policy refuses simulated platforms',
      { simulated: { rule: 'refuse' } },
      'simulated',
    ),
    wants(
      'policy-digest',
      'another signing policy',
      { policyDigest: { rule: 'require', anyOf: [value(fixedBytes('q', 32))] } },
      'policy-digest',
    ),
    wants(
      'token-channel-none',
      'any channel, but one',
      { tokenChannel: { rule: 'refuse-none' } },
      'token-channel',
    ),
    wants('anchor-none', 'any anchor, but one', { anchor: { rule: 'refuse-none' } }, 'anchor'),
    wants(
      'token-channel',
      'the way to the HSM must be protected',
      { tokenChannel: words('scp11') },
      'token-channel',
    ),
    wants('anchor', 'an anchor is wanted', { anchor: words('hsm', 'tpm2') }, 'anchor'),
    wants(
      'provisioning',
      'another way of provisioning is wanted',
      { provisioning: words('takeover') },
      'provisioning',
    ),
    wants(
      'anchor-format',
      'the root is trusted for another format',
      { trustAnchors: anchorAs('sev-snp-report') },
      ...noAnchor,
    ),
    refused(
      'host-asserted',
      'a ring that believes the host',
      { bundle: made({ claims: { hostAssertedRings: ['kube'] } }) },
      'host-asserted-rings',
    ),
    refused(
      'hardening-none',
      'a process without any shield',
      { bundle: made({ claims: { hardening: [] } }) },
      'hardening',
    ),
    refused(
      'hardening-one-less',
      'one of two words',
      { bundle: made({ claims: { hardening: ['no-network'] } }) },
      'hardening',
    ),
    refused(
      'hardening-setup',
      'setup evidence says it too',
      {
        bundle: made({ kind: 'setup', claims: { nonce: hex(NONCE), hardening: ['own-uid'] } }),
        kind: 'setup',
      },
      'hardening',
    ),
    refused(
      'host-asserted-one-more',
      'one that the policy allows and one more',
      {
        bundle: made({ claims: { hostAssertedRings: ['kube', 'more'] } }),
        ...withPolicy({ hostAssertedRings: words('kube') }),
      },
      'host-asserted-rings',
    ),
  ];
}
