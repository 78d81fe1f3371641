import { readConnection } from '../supervisor/connection-file.ts';
import { unavailable } from './cli-error.ts';

/** `values` with the certificates of the service that runs on a state folder, where none are given. */
export function withCertificatesOf(
  folder: string,
  values: ReadonlyMap<string, string>,
): ReadonlyMap<string, string> {
  const connection = readConnection(folder);
  if (connection === undefined) {
    throw unavailable(`no service runs on ${folder}`, 'start it with "npx sealwright dev"');
  }
  const all = new Map(values);
  for (const name of ['ca', 'cert', 'key'] as const) {
    const path = connection[name];
    if (path !== undefined && !all.has(name)) all.set(name, path);
  }
  return all;
}
