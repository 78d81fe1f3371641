import { ATTESTED_NOTE, ATTESTED_OPTIONS, tellWarning, withAttested } from './attested.ts';
import { CLIENT_NOTE } from './command.ts';
import type { Arguments, Command } from './command.ts';
import { EXIT } from './exit-status.ts';
import { columns, hex, printJson, printText, table } from './output.ts';
import { requireOneStdout, writeOutput } from './output-file.ts';
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

const COLUMNS = ['RING', 'ALGORITHM', 'RESIDENCY', 'PAYLOAD', 'RANK', 'CALLERS'];

async function runPolicyShow(input: Arguments): Promise<number> {
  requireOneStdout(input, ['out']);
  const { provedPolicy } = await import('../client/attested-policy.ts');
  const proved = await withAttested(input, provedPolicy);
  const { document, digest, attestation, untrustedAdminSequence } = proved;
  await tellWarning(attestation.result);
  const { value, policy } = parsePolicyDocument(document);
  const out = input.text('out');
  if (out !== undefined) writeOutput('out', out, document);
  if (out === '-') return EXIT.ok;
  if (input.json) {
    printJson({ digest: hex(digest), adminSequence: untrustedAdminSequence, document: value });
    return EXIT.ok;
  }
  const rings = policy.rings.map((ring) => [
    ring.name,
    ring.algorithm,
    ring.residency,
    ring.payloadKind,
    ring.lowestRank,
    [...ring.callers].sort().join(' '),
  ]);
  const facts = table([
    ['version', String(policy.version)],
    ['digest', hex(digest)],
    ['cluster', hex(attestation.claims.clusterId)],
    ['admins', policy.admins.map(({ name }) => name).join(' ')],
    ['threshold', String(policy.threshold)],
    ['callers', String(policy.callers.length)],
  ]);
  printText([facts.replaceAll(/^ {2}/gm, ''), '', columns([COLUMNS, ...rings])].join('\n'));
  return EXIT.ok;
}
