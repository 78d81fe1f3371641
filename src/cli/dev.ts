import { SUITE_WORDS } from '../../enclave/wire/session/suites.ts';
import type { SignedJsonObject } from '../../enclave/wire/signed-json.ts';
import { canonicalJsonFile, readJsonFile } from './canonical-file.ts';
import { usageError } from './cli-error.ts';
import type { Arguments, Command } from './command.ts';
import { Progress } from './progress.ts';

export const dev: Command = {
  name: 'dev',
  example: 'npx sealwright dev --state .sealwright',
  takesProgram: true,
  options: {
    state: { value: 'DIR', help: 'state folder, made when it is new (default .sealwright)' },
    listen: {
      value: 'HOST:PORT',
      help: 'gRPC (default 127.0.0.1:7443; with CMD a free port; port 0: a free one)',
    },
    http: { value: 'HOST:PORT', help: 'HTTP front (default 127.0.0.1:7480; with CMD a free port)' },
    config: {
      value: 'FILE',
      help: 'JSON with listen, http, unixSockets, drainSeconds of the host',
    },
    policy: {
      value: 'FILE',
      help: 'JSON with members of the first policy of a new cluster, such as rings, instead of the default ones',
    },
    suite: {
      value: 'WORD',
      help: 'HPKE suite of sessions, measured and kept with the state folder (default: the first)',
      oneOf: SUITE_WORDS,
    },
    destroy: { help: 'first wipe the state folder, keys included; only a folder of ours' },
    verbose: { help: 'logs of host and platform on stderr instead of in the state folder' },
  },
  notes: [
    'Everything runs on a simulated platform: the evidence is valid in form, and it PROTECTS NOTHING from root, ' +
      'from the user who runs it, or from a copy of the state folder.',
    'With "-- CMD" the service lives as long as that program. CMD finds the service in its environment: ' +
      'SEALWRIGHT_ADDRESS and SEALWRIGHT_HTTP (HOST:PORT), SEALWRIGHT_CA, SEALWRIGHT_CERT and SEALWRIGHT_KEY (paths), ' +
      'SEALWRIGHT_STATE, SEALWRIGHT_REFERENCE. Stdout and exit status are those of CMD; 70 when the enclave is halted.',
    'Ctrl-C and SIGTERM let calls in flight finish, then stop host, enclave and platform; a second one stops at once.',
  ],
  run: runDev,
};

async function runDev(input: Arguments): Promise<number> {
  const policy = input.text('policy');
  const changed = policy === undefined ? {} : readMembers(policy);
  const { DevSession } = await import('./dev-session.ts');
  return new DevSession(input, new Progress(input.json), changed).run();
}

function readMembers(path: string): SignedJsonObject {
  canonicalJsonFile(path);
  const value = readJsonFile(path);
  if (typeof value === 'object' && !Array.isArray(value)) return value as SignedJsonObject;
  throw usageError(
    `${path} is not an object`,
    'an object with members of a policy, such as rings',
    'correct it there',
  );
}
