/** Every command, with its summary at hand so that the overview loads none of them. */
import type { Command } from './command.ts';

export interface CatalogueEntry {
  readonly name: string;
  readonly summary: string;
  load(): Promise<Command>;
}

export const CATALOGUE: readonly CatalogueEntry[] = [
  {
    name: 'dev',
    summary: 'Starts everything on this computer, on a simulated platform that protects nothing.',
    load: async () => (await import('./dev.ts')).dev,
  },
  {
    name: 'serve',
    summary: 'Runs platform and host as a configuration file says.',
    load: async () => (await import('./serve.ts')).serve,
  },
  {
    name: 'genesis propose',
    summary: 'Has the enclave draw a new cluster, with evidence for its admins; touches nothing.',
    load: async () => (await import('./genesis-propose.ts')).genesisPropose,
  },
  {
    name: 'genesis approve',
    summary: 'Verifies a proposed cluster offline, and signs it with an SSH key of an admin.',
    load: async () => (await import('./genesis-approve.ts')).genesisApprove,
  },
  {
    name: 'genesis commit',
    summary: 'Gives birth to the proposed cluster that enough admins approved.',
    load: async () => (await import('./genesis-commit.ts')).genesisCommit,
  },
  {
    name: 'status',
    summary: 'Tells what the service says of itself; nothing of it is attested.',
    load: async () => (await import('./status.ts')).status,
  },
  {
    name: 'keys list',
    summary: 'Lists the public keys of all rings.',
    load: async () => (await import('./keys-list.ts')).keysList,
  },
  {
    name: 'keys export',
    summary: 'Prints one public key.',
    load: async () => (await import('./keys-export.ts')).keysExport,
  },
  {
    name: 'sign',
    summary: 'Signs a file with a key ring.',
    load: async () => (await import('./sign.ts')).sign,
  },
  {
    name: 'sign-batch',
    summary: 'Signs many files with a key ring, 256 in a call.',
    load: async () => (await import('./sign-batch.ts')).signBatch,
  },
  {
    name: 'verify',
    summary: 'Checks a signature over a file.',
    load: async () => (await import('./verify.ts')).verify,
  },
  {
    name: 'policy build',
    summary: 'Makes the document that admins sign from YAML.',
    load: async () => (await import('./policy-build.ts')).policyBuild,
  },
  {
    name: 'policy check',
    summary: 'Tells every problem of a policy, and what it allows although it may not be meant.',
    load: async () => (await import('./policy-check.ts')).policyCheck,
  },
  {
    name: 'policy diff',
    summary: 'Says in words what one policy changes in another.',
    load: async () => (await import('./policy-diff.ts')).policyDiffCommand,
  },
  {
    name: 'policy explain',
    summary: 'Says whether a policy allows something, and which rule decides.',
    load: async () => (await import('./policy-explain.ts')).policyExplain,
  },
  {
    name: 'policy show',
    summary: 'Shows the policy in force, as evidence proves it.',
    load: async () => (await import('./policy-show.ts')).policyShow,
  },
  {
    name: 'policy approve',
    summary: 'Signs a policy with an SSH key of an admin.',
    load: async () => (await import('./policy-approve.ts')).policyApprove,
  },
  {
    name: 'policy apply',
    summary: 'Puts a policy into force that enough admins approved.',
    load: async () => (await import('./policy-apply.ts')).policyApply,
  },
  {
    name: 'emergency suspend',
    summary: 'Stops a key for now; one admin is enough.',
    load: async () => (await import('./emergency-call.ts')).emergencyCommand('suspend'),
  },
  {
    name: 'emergency resume',
    summary: 'Lets a suspended key sign again.',
    load: async () => (await import('./emergency-call.ts')).emergencyCommand('resume'),
  },
  {
    name: 'emergency mark-compromised',
    summary: 'Stops a key for ever.',
    load: async () => (await import('./emergency-call.ts')).emergencyCommand('mark-compromised'),
  },
  {
    name: 'emergency approve',
    summary: 'Signs an emergency statement with an SSH key of an admin.',
    load: async () => (await import('./emergency-approve.ts')).emergencyApprove,
  },
  {
    name: 'emergency apply',
    summary: 'Sends an emergency statement with its approvals.',
    load: async () => (await import('./emergency-apply.ts')).emergencyApply,
  },
  {
    name: 'evidence',
    summary: 'Fetches evidence of what holds the keys, without judging it.',
    load: async () => (await import('./evidence.ts')).evidence,
  },
  {
    name: 'verify-evidence',
    summary: 'Decides whether evidence is genuine and is what a reference file asks for.',
    load: async () => (await import('./verify-evidence.ts')).verifyEvidence,
  },
  {
    name: 'verify-receipt',
    summary: 'Decides offline whether a receipt is genuine, and says what it proves.',
    load: async () => (await import('./verify-receipt.ts')).verifyReceipt,
  },
  {
    name: 'log show',
    summary: 'Shows leaves of the log of everything that was signed.',
    load: async () => (await import('./log-show.ts')).logShow,
  },
  {
    name: 'log prove',
    summary: 'Proves that one leaf is in the log.',
    load: async () => (await import('./log-prove.ts')).logProve,
  },
  {
    name: 'log consistency',
    summary: 'Proves that the log only grew.',
    load: async () => (await import('./log-consistency.ts')).logConsistency,
  },
  {
    name: 'log checkpoint',
    summary: 'Prints the signed head of the log, to be kept.',
    load: async () => (await import('./log-checkpoint.ts')).logCheckpoint,
  },
  {
    name: 'inspect',
    summary: 'Prints what evidence says; verifies nothing.',
    load: async () => (await import('./inspect.ts')).inspect,
  },
  {
    name: 'collateral',
    summary: 'Says what evidence of a platform needs beside it, and where vendors publish it.',
    load: async () => (await import('./collateral.ts')).collateral,
  },
  {
    name: 'reference-values',
    summary: 'Writes the reference file that verify-evidence needs.',
    load: async () => (await import('./reference-values.ts')).referenceValues,
  },
];

/** The entry that the first words name, and the words after it. */
export function findCommand(
  argv: readonly string[],
): { readonly entry: CatalogueEntry; readonly rest: readonly string[] } | undefined {
  for (const entry of CATALOGUE) {
    const words = entry.name.split(' ');
    if (words.every((word, i) => argv[i] === word)) {
      return { entry, rest: argv.slice(words.length) };
    }
  }
  return undefined;
}
