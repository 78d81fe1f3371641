import { MalformedEvidence, type AttestationResult } from '../verifier/index.ts';
import { readAdminKeys, requireSameAdmins } from './admin-keys-file.ts';
import { APPROVE_OPTIONS, approveNote } from './approval-files.ts';
import { usageError } from './cli-error.ts';
import type { Arguments, Command } from './command.ts';
import { JUDGING_OPTIONS, policyFor } from './evidence-options.ts';
import { checkLine, lastLine, printMalformed, statusOf } from './evidence-report.ts';
import { EXIT } from './exit-status.ts';
import { genesisPaths, policyIn, readGenesisFiles, type GenesisFiles } from './genesis-files.ts';
import { hex, note, printJson, printText } from './output.ts';
import { writeOutput } from './output-file.ts';
import { policyContent } from './policy/content.ts';
import { policyDigest } from './policy/read-policy.ts';
import { policyWarnings } from './policy/warnings.ts';
import { signCommand, signWithSshKeygen } from './ssh-keygen.ts';
import type { Policy } from '../../enclave/wire/policy/document.ts';
import { equalBytes } from '../../enclave/wire/bytes.ts';
import { parseGenesisStatement } from '../../enclave/wire/policy/genesis-statement.ts';
import { SSHSIG_NAMESPACES, parseSshsig } from '../../enclave/wire/sshsig.ts';
import {
  canonicalize,
  parseSignedJson,
  type SignedJsonObject,
} from '../../enclave/wire/signed-json.ts';

const NAMESPACE = SSHSIG_NAMESPACES.genesis;

export const genesisApprove: Command = {
  name: 'genesis approve',
  example:
    'npx sealwright genesis approve genesis --reference reference.json --key ~/.ssh/id_ed25519',
  positionals: [{ name: 'DIR', help: 'what "genesis propose" wrote' }],
  options: {
    reference: { value: 'FILE', help: 'your own appraisal policy', required: true },
    admins: {
      value: 'FILE',
      help: 'SSH public keys that you brought, one a line: the admins must be these and no others',
    },
    'accept-simulated': JUDGING_OPTIONS['accept-simulated'],
    key: { ...APPROVE_OPTIONS.key, required: false },
    out: { value: 'FILE', help: 'where the approval goes (default DIR/statement.json.ADMIN.sig)' },
  },
  notes: [
    'Verifies the setup evidence against your reference values, and that the statement names exactly the manifest, ' +
      'cluster, code and token that the evidence proves. Tells all that the first policy says, admins and roots ' +
      'with fingerprints, and what it allows although it may not be meant. Then it signs; without --key it ends there, with 0, 1 or 2 as verify-evidence does.',
    approveNote(NAMESPACE),
  ],
  run: runApprove,
};

async function runApprove(input: Arguments): Promise<number> {
  const folder = input.positional(0);
  const files = readGenesisFiles(folder);
  const policy = policyIn(folder, files.manifest);
  const brought = input.text('admins');
  const reference = policyFor(input, input.required('reference'), true);
  const { judgeProposal } = await import('../client/genesis-proposal.ts');
  let result: AttestationResult;
  try {
    result = await judgeProposal(files, reference, Date.now());
  } catch (error) {
    if (!(error instanceof MalformedEvidence)) throw error;
    printMalformed(error, input.json);
    return EXIT.undecodable;
  }
  if (!input.json) tell(result, files, policy);
  if (brought !== undefined) requireSameAdmins(policy.admins, readAdminKeys(brought), brought);
  const status = statusOf(result.verdict);
  const keyFile = input.text('key');
  const approval =
    keyFile === undefined || result.verdict === 'contraindicated' || result.verdict === 'none'
      ? undefined
      : await approve(input, keyFile, files.statement, policy);
  if (input.json) {
    const { verdict, checks } = result;
    printJson({ verdict, checks, ...(approval === undefined ? {} : { approval }) });
  } else if (keyFile === undefined && status !== EXIT.verificationFailed) {
    note(`to approve: ${signCommand(NAMESPACE, genesisPaths(folder).statement)}`);
  }
  // What was signed was accepted by whoever wrote the reference, warnings included.
  return approval === undefined ? status : EXIT.ok;
}

function tell(
  result: AttestationResult,
  { manifest, statement }: GenesisFiles,
  policy: Policy,
): void {
  const { policy: document = {} } = parseSignedJson(manifest) as SignedJsonObject;
  note(`policy 1, digest ${hex(policyDigest(canonicalize(document)))}`);
  for (const line of policyContent(policy)) note(line);
  for (const { warning } of policyWarnings(policy)) note(`warning: ${warning}`);
  for (const check of result.checks) printText(checkLine(check));
  printText(lastLine(result));
  // Of a statement that evidence proves, and nothing else can be signed.
  if (result.verdict === 'affirming' || result.verdict === 'warning') {
    note(`cluster ${hex(parseGenesisStatement(statement).clusterId)}`);
  }
}

/** Resolves with the file's path. Throws CliError. */
async function approve(
  input: Arguments,
  keyFile: string,
  statement: Uint8Array,
  policy: Policy,
): Promise<string> {
  const signature = await signWithSshKeygen(NAMESPACE, statement, keyFile);
  const { key } = parseSshsig(signature);
  const admin = policy.admins.find((one) => equalBytes(one.key.blob, key.blob));
  if (admin === undefined) {
    const names = policy.admins.map(({ name }) => name).join(', ');
    throw usageError(
      `${keyFile} is no admin's key in this manifest`,
      `that of one of ${names}`,
      'name another key',
    );
  }
  const folder = input.positional(0);
  const path = input.text('out') ?? `${genesisPaths(folder).statement}.${admin.name}.sig`;
  writeOutput('out', path, signature);
  if (path !== '-') note(`approval of ${admin.name} written to ${path}`);
  return path;
}
