import { expect, test } from 'vitest';
import { encodePem } from '../../src/pkix/pem.ts';
import {
  ROOT,
  TCB_SIGNING,
  authorityShape,
  intelCertificate,
  leafShape,
} from '../../scripts/evidence/dcap/certificates.ts';
import { dcapCase, makeDcap } from '../support/dcap/index.ts';
import { judgePlatform } from '../support/run-platform-vector.ts';

const OTHER = 'SIMULATED other root';

/** Certificate and key of another root, whose signer signs the documents. */
function otherRoot(): { readonly root: Uint8Array; readonly signer: Uint8Array } {
  return {
    root: intelCertificate({
      ...authorityShape(OTHER, 'other root'),
      issuer: OTHER,
      issuerKey: 'other root',
    }),
    signer: intelCertificate({
      ...leafShape(TCB_SIGNING, 'tcb'),
      issuer: OTHER,
      issuerKey: 'other root',
    }),
  };
}

// A policy may trust two roots, one of them a test's: the quote decides which of them the result is about, and
// documents of the other one would make a genuine platform look as good as somebody wants.
test('documents of another trusted root than that of the quote are refused', async () => {
  const { root, signer } = otherRoot();
  const made = makeDcap('tdx');
  const anchor = (name: string, certificate: Uint8Array): object => ({
    name,
    format: 'tdx',
    certificate: encodePem('CERTIFICATE', certificate),
  });
  const chain = Buffer.from([signer, root].map((one) => encodePem('CERTIFICATE', one)).join(''));
  const { verdict, failed } = await judgePlatform(
    dcapCase('tdx', {
      around: {
        trustAnchors: { rule: 'require', anyOf: [anchor(ROOT, made.root), anchor(OTHER, root)] },
      },
      files: { 'intel-tcb-signing.pem': chain },
    }),
  );

  expect(verdict).toBe('contraindicated');
  expect(failed).toContain('tcb-info-trust-anchor');
  expect(failed).toContain('qe-identity-trust-anchor');
});
