// The chain is wrong; the policy trusts the root that goes with it.
import {
  ECDSA_SHA256,
  NOW,
  YEAR_MS,
  ecKey,
  extension,
  makePolicy,
  testPlatform,
  type MadeEvidence,
  type PlatformChanges,
} from '../evidence/index.ts';
import { fixedBytes, fromHex, vector, type VectorCase } from '../vector-file.ts';
import { refused, malformed, made, withPolicy, good, inputOf } from './asked.ts';

/** The chain is wrong; the policy trusts the root that goes with it. */
export function chainCases(): VectorCase[] {
  const chain = (
    id: string,
    comment: string,
    changes: PlatformChanges,
    ...failed: string[]
  ): VectorCase => {
    const platform = testPlatform('good', changes);
    return refused(
      id,
      comment,
      { bundle: made({ platform }), policy: makePolicy({}, platform) },
      ...failed,
    );
  };
  const [leaf, intermediate] = good.platform.endorsements;
  const sent = (
    id: string,
    comment: string,
    endorsements: readonly Uint8Array[],
    ...failed: string[]
  ): VectorCase => refused(id, comment, { bundle: made({ endorsements }) }, ...failed);
  const other = testPlatform('other');
  const expired = { notBefore: NOW - 2 * YEAR_MS, notAfter: NOW - 1000 };
  const future = { notBefore: NOW + 1000 };
  const everyRule = [
    'chain-names',
    'chain-algorithms',
    'chain-authority',
    'chain-path-length',
    'chain-key-usage',
    'chain-extensions',
    'chain-key-ids',
  ];
  return [
    sent(
      'endorsements-none',
      'no certificate',
      [],
      'platform-signature',
      'chain-length',
      'trust-anchor',
      'chain-signatures',
      ...everyRule,
      'platform-id',
      'trust-anchor-accepted',
      'chain-validity',
    ),
    sent(
      'endorsements-swapped',
      'the intermediate first',
      [intermediate, leaf],
      'platform-signature',
      'trust-anchor',
      'chain-signatures',
      ...everyRule,
      'platform-id',
      'trust-anchor-accepted',
    ),
    sent(
      'endorsements-no-intermediate',
      'the intermediate is missing',
      [leaf],
      'chain-length',
      'trust-anchor',
      'chain-signatures',
      ...everyRule,
      'platform-id',
      'trust-anchor-accepted',
    ),
    sent(
      'endorsements-no-leaf',
      'the attestation key is missing',
      [intermediate],
      'platform-signature',
      'chain-length',
      'chain-authority',
      'chain-key-usage',
    ),
    sent(
      'endorsements-with-root',
      'the root is sent too',
      [leaf, intermediate, good.platform.root],
      'chain-length',
      'chain-path-length',
      'chain-key-ids',
    ),
    sent(
      'endorsements-leaf-twice',
      'a certificate twice',
      [leaf, leaf, intermediate],
      'chain-length',
      'chain-signatures',
      'chain-names',
      'chain-authority',
      'chain-path-length',
      'chain-key-usage',
      'chain-key-ids',
    ),
    sent(
      'leaf-of-another-platform',
      'the names are right, the keys are not',
      [other.endorsements[0], intermediate],
      'platform-signature',
      'chain-signatures',
      'chain-key-ids',
    ),
    refused(
      'other-root',
      'another platform, whose root has the same name',
      { bundle: made({ platform: other }) },
      'chain-signatures',
      'chain-key-ids',
      'platform-id',
    ),
    refused(
      'other-root-and-id',
      'the same, with the id of the trusted root in the quote',
      { bundle: made({ platform: other, quote: { platformId: fromHex(rootIdOf(good)) } }) },
      'chain-signatures',
      'chain-key-ids',
    ),
    chain(
      'leaf-expired',
      'the attestation key’s certificate has expired',
      { attestation: expired },
      'chain-validity',
    ),
    chain('leaf-not-yet', 'it is not valid yet', { attestation: future }, 'chain-validity'),
    chain(
      'intermediate-expired',
      'the intermediate has expired',
      { intermediate: expired },
      'chain-validity',
    ),
    chain('root-expired', 'the root has expired', { root: expired }, 'chain-validity'),
    chain(
      'intermediate-no-ca',
      'the intermediate is not an authority',
      { intermediate: { authority: { ca: false } } },
      'chain-authority',
    ),
    chain(
      'intermediate-no-constraints',
      'the extension is missing',
      { intermediate: { authority: undefined } },
      'chain-authority',
    ),
    chain(
      'constraints-not-critical',
      'basicConstraints is not critical',
      { intermediate: { constraintsCritical: false } },
      'chain-authority',
    ),
    chain(
      'root-no-ca',
      'the root is not an authority',
      { root: { authority: { ca: false } } },
      'chain-authority',
    ),
    chain(
      'leaf-ca',
      'the attestation key is an authority',
      { attestation: { authority: { ca: true } } },
      'chain-authority',
    ),
    chain(
      'path-length',
      'the root allows no intermediate',
      { root: { authority: { ca: true, pathLength: 0 } } },
      'chain-path-length',
    ),
    chain(
      'usage-intermediate',
      'the intermediate may not sign certificates',
      { intermediate: { usage: [0] } },
      'chain-key-usage',
    ),
    chain('usage-missing', 'no keyUsage', { intermediate: { usage: [] } }, 'chain-key-usage'),
    chain(
      'usage-leaf',
      'the attestation key may sign certificates too',
      { attestation: { usage: [0, 5] } },
      'chain-key-usage',
    ),
    chain('usage-leaf-none', 'it may not sign', { attestation: { usage: [5] } }, 'chain-key-usage'),
    chain(
      'critical-extension',
      'a critical extension that nobody knows',
      { attestation: { moreExtensions: [UNKNOWN_CRITICAL] } },
      'chain-extensions',
    ),
    chain(
      'key-id',
      'another authority key identifier',
      { attestation: { authorityKeyId: fixedBytes('id', 20) } },
      'chain-key-ids',
    ),
    chain(
      'key-id-missing',
      'no authority key identifier',
      { attestation: { authorityKeyId: undefined } },
      'chain-key-ids',
    ),
    chain(
      'no-subject',
      'an attestation key without a name',
      { attestation: { subject: '' } },
      'chain-names',
    ),
    chain(
      'issuer-name',
      'the leaf names another issuer',
      { attestation: { issuer: 'SIMULATED nobody' } },
      'chain-names',
    ),
    chain(
      'algorithm',
      'a certificate that says SHA-256',
      { attestation: { signatureAlgorithm: ECDSA_SHA256 } },
      'chain-signatures',
      'chain-algorithms',
    ),
    chain(
      'issuer-key',
      'the leaf is signed by somebody else',
      { attestation: { issuerKey: ecKey('attacker') } },
      'chain-signatures',
    ),
    vector(
      'validity-at-issue',
      'at the moment of issue the leaf was not valid yet',
      {
        ...inputOf({
          bundle: made({
            platform: testPlatform('good', { attestation: { notBefore: NOW - 1000 } }),
          }),
          ...withPolicy({ time: { mode: 'at-issue' } }),
        }),
      },
      'contraindicated',
      { failed: ['chain-validity'] },
    ),
  ];
}

const UNKNOWN_CRITICAL = extension('1.2.3.4', true, Uint8Array.of(5, 0));

const rootIdOf = (evidence: MadeEvidence): string =>
  // Offset 40 of the quote (docs/spec/simulated-quote.md).
  evidence.platformEvidence.slice(80, 144);

export function certificateCases(): VectorCase[] {
  const [leaf, intermediate] = good.platform.endorsements;
  const leafIs = (id: string, comment: string, bytes: Uint8Array): VectorCase =>
    malformed(id, comment, made({ endorsements: [bytes, intermediate] }), '/endorsements/0');
  const minted = (changes: PlatformChanges): Uint8Array =>
    testPlatform('good', changes).endorsements[0];
  const twice = extension('2.5.29.14', false, Uint8Array.of(4, 1, 0));
  return [
    leafIs(
      'certificate-trailing',
      'a byte after the certificate',
      Buffer.concat([leaf, Uint8Array.of(0)]),
    ),
    leafIs('certificate-truncated', 'the last byte is missing', leaf.subarray(0, -1)),
    leafIs('certificate-garbage', 'no DER', fixedBytes('garbage', 40)),
    leafIs(
      'certificate-indefinite',
      'an indefinite length',
      Buffer.concat([Uint8Array.of(0x30, 0x80), leaf.subarray(4), Uint8Array.of(0, 0)]),
    ),
    leafIs(
      'certificate-long-length',
      'a length that is not minimal',
      Buffer.concat([Uint8Array.of(0x30, 0x83, 0), leaf.subarray(2)]),
    ),
    leafIs(
      'certificate-lying-length',
      'a length of 16 MiB',
      Buffer.concat([Uint8Array.of(0x30, 0x83, 0xff, 0xff, 0xff), leaf.subarray(4)]),
    ),
    leafIs(
      'certificate-serial-0',
      'serial number zero',
      minted({ attestation: { serial: new Uint8Array(1) } }),
    ),
    leafIs(
      'certificate-serial-long',
      'a serial number of 21 bytes',
      minted({ attestation: { serial: new Uint8Array(21).fill(1) } }),
    ),
    leafIs('certificate-version', 'version 1', minted({ attestation: { version: 1 } })),
    leafIs(
      'certificate-extension-twice',
      'an extension twice',
      minted({ attestation: { moreExtensions: [twice] } }),
    ),
  ];
}
