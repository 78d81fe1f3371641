import { readJsonFile } from './canonical-file.ts';
import type { Arguments, Command } from './command.ts';
import { Progress } from './progress.ts';

export const serve: Command = {
  name: 'serve',
  example: 'npx sealwright serve --config /etc/sealwright/serve.json',
  options: {
    config: { value: 'FILE', help: 'JSON: state, host, platform, client', required: true },
    verbose: { help: 'logs of host and platform on stderr instead of in the state folder' },
  },
  notes: [
    'The file: {"state": DIR, "host": {"listen", "http", "unixSockets", "tls", "storeFile", "logFolder", "drainSeconds"}, ' +
      '"platform": {"workers", "suite", "module": {"path", "folder", "options", "environment"}}, ' +
      '"client": {"caFile", "certFile", "keyFile"}}. All paths are absolute; platform and client may be absent. ' +
      'With client the commands of this computer find the service by --state.',
    'Nothing is born here: a new cluster is made with "npx sealwright genesis propose". The platform is the simulated one, ' +
      'which PROTECTS NOTHING.',
    'SIGTERM and Ctrl-C let calls in flight finish, then stop host, enclave and platform.',
  ],
  run: runServe,
};

async function runServe(input: Arguments): Promise<number> {
  const value = readJsonFile(input.required('config'));
  const { ServeSession } = await import('./serve-session.ts');
  return new ServeSession(value, new Progress(input.json), input.switch('verbose')).run();
}
