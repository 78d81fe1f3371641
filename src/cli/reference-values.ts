import { writeFileSync } from 'node:fs';
import { sshKeyLine } from '../../enclave/wire/ssh-key.ts';
import { readAdminKeys } from './admin-keys-file.ts';
import { usageError } from './cli-error.ts';
import { CLIENT_NOTE, CLIENT_OPTIONS } from './command.ts';
import type { Arguments, Command } from './command.ts';
import { DEFAULT_STATE, withClient } from './connection.ts';
import { EXIT } from './exit-status.ts';
import { wholeNumber } from './numbers.ts';
import { note, printJson } from './output.ts';
import type { PinnedCluster, ReferenceDocument } from './reference-document.ts';

export const referenceValues: Command = {
  name: 'reference-values',
  example:
    'npx sealwright reference-values --trust-on-first-use "trying it out" --out reference.json',
  options: {
    from: { value: 'RELEASE', help: 'a release file: MR0 and svn' },
    'trust-on-first-use': {
      value: 'WHY',
      help: 'what runs now, and why that is enough; the verdict is at most a warning',
    },
    anchor: {
      value: 'FILE',
      help: 'root certificate of the platform, PEM, instead of vendor roots',
    },
    cluster: { value: 'HEX', help: 'with --from: the clusterId, from whoever made the cluster' },
    admins: {
      value: 'FILE',
      help: 'with --from: SSH public keys, one a line; any cluster that --threshold of them began',
    },
    threshold: { value: 'M', help: 'with --admins: how many of them approved its genesis' },
    mr1: { value: 'HEX', help: 'with --from: what "npm run -s measure" says of this machine' },
    mr2: { value: 'HEX', help: 'with --from: the same, of the launch manifest' },
    'accept-simulated': {
      value: 'WHY',
      help: 'with --from: a simulated platform is enough, and why',
    },
    out: { value: 'FILE', help: 'where the file goes (default: stdout)' },
    ...CLIENT_OPTIONS,
  },
  notes: [
    'One of --from and --trust-on-first-use is required. With --trust-on-first-use the root is taken from the state ' +
      'folder, or from --anchor. Everything that is not known is skipped with its reason: read the file before you use it.',
    CLIENT_NOTE,
  ],
  run: runReferenceValues,
};

async function runReferenceValues(input: Arguments): Promise<number> {
  const [release, because] = [input.text('from'), input.text('trust-on-first-use')];
  if ((release === undefined) === (because === undefined)) {
    throw usageError(
      release === undefined
        ? 'neither --from nor --trust-on-first-use is given'
        : '--from and --trust-on-first-use are both given',
      '--from RELEASE, or --trust-on-first-use WHY',
      'name one of them',
    );
  }
  if (because?.trim() === '') {
    throw usageError('--trust-on-first-use gives no reason', 'the reason in words', 'say why');
  }
  const document =
    release === undefined ? await running(input, because ?? '') : await released(input, release);
  const out = input.text('out');
  if (out === undefined || out === '-') printJson(document);
  else {
    write(out, document);
    note(`${out}: read it before you use it`);
  }
  return EXIT.ok;
}

async function running(input: Arguments, because: string): Promise<ReferenceDocument> {
  for (const name of ['cluster', 'admins', 'threshold', 'mr1', 'mr2', 'accept-simulated']) {
    if (input.text(name) !== undefined) {
      throw usageError(
        `--${name} is given with --trust-on-first-use`,
        `--${name} with --from only: what runs now says it`,
        'leave it away',
      );
    }
  }
  const { firstUse, readAnchor, stateAnchor } = await import('./first-use.ts');
  const file = input.text('anchor');
  const state = input.text('state') ?? process.env['SEALWRIGHT_STATE'] ?? DEFAULT_STATE;
  const anchor = file === undefined ? stateAnchor(state) : readAnchor(file);
  return withClient(input, (client) => firstUse(client, anchor, because));
}

async function released(input: Arguments, path: string): Promise<ReferenceDocument> {
  const [{ readRelease }, { releaseDocument }, { readAnchor }] = await Promise.all([
    import('./release-file.ts'),
    import('./reference-document.ts'),
    import('./first-use.ts'),
  ]);
  const anchor = input.text('anchor');
  return releaseDocument(readRelease(path), {
    anchor: anchor === undefined ? undefined : readAnchor(anchor),
    acceptSimulated: input.text('accept-simulated'),
    cluster: pinnedCluster(input),
    MR1: hexOption(input, 'mr1', 48),
    MR2: hexOption(input, 'mr2', 48),
  });
}

/** By its id or by who began it; undefined when neither is given. */
function pinnedCluster(input: Arguments): PinnedCluster | undefined {
  const clusterId = hexOption(input, 'cluster', 32);
  const [file, threshold] = [input.text('admins'), input.text('threshold')];
  if (file === undefined && threshold === undefined) {
    return clusterId === undefined ? undefined : { clusterId };
  }
  if (file === undefined || threshold === undefined || clusterId !== undefined) {
    throw usageError(
      'a cluster is pinned by its id, or by its admins and how many of them',
      '--cluster HEX, or --admins FILE with --threshold M',
      'name one of them',
    );
  }
  const adminKeys = readAdminKeys(file).map(sshKeyLine);
  return { adminKeys, threshold: wholeNumber('--threshold', threshold, 1, adminKeys.length) };
}

function hexOption(input: Arguments, name: string, bytes: number): string | undefined {
  const text = input.text(name);
  if (text === undefined || new RegExp(`^[0-9a-f]{${String(2 * bytes)}}$`).test(text)) return text;
  throw usageError(
    `--${name} is "${text}"`,
    `${String(bytes)} bytes as lower-case hex`,
    'correct it',
  );
}

function write(out: string, document: ReferenceDocument): void {
  try {
    writeFileSync(out, `${JSON.stringify(document, undefined, 2)}\n`);
  } catch (error) {
    const problem = `--out: ${(error as Error).message}`;
    throw usageError(problem, 'a file that can be written', 'correct the path');
  }
}
