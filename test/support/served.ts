/** A service that `serve` runs, as an operator starts it. */
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { spawnSealwright } from './stack.ts';

export interface Served {
  readonly state: string;
  /** SIGTERM; resolves with the exit status. */
  stop(): Promise<number | null>;
}

/** Starts `serve` with this configuration, which lies in `folder` then; resolves when it listens. The caller stops it. */
export async function serve(
  folder: string,
  config: { readonly state: string } & Readonly<Record<string, unknown>>,
): Promise<Served> {
  const path = join(folder, 'serve.json');
  writeFileSync(path, JSON.stringify(config));
  const child = spawnSealwright(['serve', '--config', path, '--json']);
  const ended = once(child, 'exit') as Promise<[number | null]>;
  const stop = async (): Promise<number | null> => {
    if (child.exitCode === null) child.kill('SIGTERM');
    return (await ended)[0];
  };
  const lines = createInterface({ input: child.stderr });
  await new Promise<void>((resolve, reject) => {
    lines.on('line', (line) => {
      if (line.includes('"step":"listening"')) resolve();
    });
    void ended.then(() => {
      reject(new Error('serve has ended'));
    });
  });
  return { state: config.state, stop };
}
