/** Members that appraisal policies and platform policies have alike (docs/spec/appraisal-policy.md). */
import type { SimulatedRule, Skip, SourceRule } from './appraisal-policy.ts';
import { decodePemCertificate } from './pem.ts';
import type { PolicyReader } from './policy-reader.ts';
import { trustAnchor, type TrustAnchor } from './trust-anchor.ts';
import { VENDOR_ROOTS } from './vendor-roots.ts';

const FORMAT = /^[a-z0-9][a-z0-9./-]{0,63}$/;

export function readSkip(reader: PolicyReader): Skip {
  return { rule: 'skip', because: reader.text('because') };
}

export function readSource(reader: PolicyReader): SourceRule {
  const rule = reader.word('rule', ['release', 'trust-on-first-use']);
  const source: SourceRule =
    rule === 'release'
      ? { rule, name: reader.text('name') }
      : { rule, because: reader.text('because') };
  reader.end();
  return source;
}

export function readAnchors(reader: PolicyReader): readonly TrustAnchor[] {
  const rule = reader.word('rule', ['vendor-roots', 'require']);
  const anchors = rule === 'vendor-roots' ? VENDOR_ROOTS : reader.objects('anyOf', readAnchor);
  reader.end();
  return anchors.filter((anchor) => anchor !== undefined);
}

function readAnchor(reader: PolicyReader): TrustAnchor | undefined {
  const name = reader.text('name');
  const format = reader.text('format', FORMAT, 'the name of a format');
  const pem = reader.long('certificate');
  if (name === '' || format === '' || pem === '') return undefined;
  try {
    return trustAnchor(name, format, decodePemCertificate(pem));
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    reader.problem('certificate', error.message);
    return undefined;
  }
}

export function readSimulated(reader: PolicyReader): SimulatedRule {
  const rule = reader.word('rule', ['refuse', 'accept-simulated']);
  const simulated = rule === 'refuse' ? { rule } : { rule, because: reader.text('because') };
  reader.end();
  return simulated;
}
