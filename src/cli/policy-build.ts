import { fromHex } from '../../enclave/wire/bytes.ts';
import { MAX_POLICY_WINDOW_MS } from '../../enclave/wire/limits.ts';
import { usageError } from './cli-error.ts';
import type { Arguments, Command } from './command.ts';
import { EXIT } from './exit-status.ts';
import { hex, note, printJson } from './output.ts';
import { timeWords } from './policy/content.ts';
import { requireOneStdout, writeOutput } from './output-file.ts';
import {
  buildContext,
  DEFAULT_WINDOW_MS,
  policyDigest,
  readPolicyFile,
} from './policy/read-policy.ts';
import { policyWarnings } from './policy/warnings.ts';

export const policyBuild: Command = {
  name: 'policy build',
  example: 'npx sealwright policy build policy.yaml --current policy-3.json --out policy-4.json',
  positionals: [{ name: 'FILE', help: 'YAML or JSON of the policy' }],
  options: {
    current: { value: 'FILE', help: 'document of the policy that this one replaces' },
    'cluster-id': { value: 'HEX', help: 'the cluster, when --current is of version 1' },
    days: { value: 'N', help: 'for how long it may be applied from now on (default 7)' },
    out: { value: 'FILE', help: 'the document that admins sign; "-" is stdout', required: true },
  },
  notes: [
    'Fills in v, kind, version, replaces, clusterId, notBefore, notAfter and empty lists, turns dates into ' +
      'milliseconds and PEM into hex, and changes nothing else. The result is RFC 8785 JSON: one line that ' +
      'is shown, signed and sent byte for byte.',
  ],
  run: runPolicyBuild,
};

// eslint-disable-next-line @typescript-eslint/require-await -- a command resolves
async function runPolicyBuild(input: Arguments): Promise<number> {
  requireOneStdout(input, ['out']);
  const file = input.positional(0);
  const context = buildContext(file, basis(input));
  const { bytes, policy } = readPolicyFile(file, context);
  for (const { warning } of policyWarnings(policy)) note(`warning: ${warning}`);
  writeOutput('out', input.required('out'), bytes);
  const facts = {
    version: policy.version,
    digest: hex(policyDigest(bytes)),
    notBefore: timeWords(policy.notBefore),
    notAfter: timeWords(policy.notAfter),
  };
  if (input.json) printJson(facts);
  else {
    note(
      `version ${String(facts.version)}, digest ${facts.digest}, to be applied until ${facts.notAfter}`,
    );
  }
  return EXIT.ok;
}

/** What the new document stands on. Throws CliError (64). */
function basis(input: Arguments) {
  const days = input.text('days');
  const windowMs = days === undefined ? DEFAULT_WINDOW_MS : Number(days) * 24 * 3600 * 1000;
  if (!(windowMs > 0 && windowMs <= MAX_POLICY_WINDOW_MS)) {
    throw usageError(`--days is "${days ?? ''}"`, 'a number from 1 to 90', 'correct it');
  }
  const currentFile = input.text('current');
  const given = input.text('cluster-id');
  if (given !== undefined && !/^[0-9a-f]{64}$/.test(given)) {
    throw usageError(`--cluster-id is "${given}"`, '64 lower-case hex digits', 'correct it');
  }
  const named = given === undefined ? undefined : fromHex(given);
  if (currentFile === undefined) return { current: undefined, clusterId: named, windowMs };
  const none = { current: undefined, clusterId: undefined };
  const { bytes, policy } = readPolicyFile(currentFile, buildContext(currentFile, none));
  const clusterId = policy.clusterId ?? named;
  if (clusterId === undefined) {
    throw usageError(
      'the first policy of a cluster does not name it',
      '--cluster-id with the id that "npx sealwright status" shows and evidence proves',
      'add it',
    );
  }
  return { current: { version: policy.version, digest: policyDigest(bytes) }, clusterId, windowMs };
}
