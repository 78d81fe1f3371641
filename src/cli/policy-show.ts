import { ATTESTED_NOTE, ATTESTED_OPTIONS, tellWarning, withAttested } from './attested.ts';
import { CLIENT_NOTE } from './command.ts';
import type { Arguments, Command } from './command.ts';
import { EXIT } from './exit-status.ts';
import { hex, printJson, printText, table } from './output.ts';
import { requireOneStdout, writeOutput } from './output-file.ts';
import { policyContent } from './policy/content.ts';
import { parsePolicyDocument } from './policy/read-policy.ts';

export const policyShow: Command = {
  name: 'policy show',
  example: 'npx sealwright policy show --out policy-3.json',
  options: {
    out: { value: 'FILE', help: 'the document itself, to build the next one on; "-" is stdout' },
    ...ATTESTED_OPTIONS,
  },
  notes: [
    'The document is the one whose digest evidence names, or the command ends with 2.',
    ATTESTED_NOTE,
    CLIENT_NOTE,
  ],
  run: runPolicyShow,
};

async function runPolicyShow(input: Arguments): Promise<number> {
  requireOneStdout(input, ['out']);
  const { provedPolicy } = await import('../client/attested-policy.ts');
  const proved = await withAttested(input, provedPolicy);
  const { document, digest, attestation, untrustedLast } = proved;
  await tellWarning(attestation.result);
  const { value, policy } = parsePolicyDocument(document);
  const out = input.text('out');
  if (out !== undefined) writeOutput('out', out, document);
  if (out === '-') return EXIT.ok;
  if (input.json) {
    const last = {
      adminSequence: untrustedLast.sequence,
      adminDigest: hex(untrustedLast.digest),
    };
    printJson({ digest: hex(digest), ...last, document: value });
    return EXIT.ok;
  }
  const facts = table([
    ['version', String(policy.version)],
    ['digest', hex(digest)],
    ['cluster', hex(attestation.claims.clusterId)],
  ]);
  printText([facts.replaceAll(/^ {2}/gm, ''), '', ...policyContent(policy)].join('\n'));
  return EXIT.ok;
}
