/** `--from`: a service that is asked instead of a file. */
import { Arguments } from './command.ts';
import { withCertificatesOf } from './state-certificates.ts';

export const FROM_OPTION = {
  from: { value: 'WHERE', help: 'ask this service now: HOST:PORT, or its state folder' },
} as const;

/** Everything that ends in a port; a state folder whose name does is written `./NAME`. */
export function isAddress(from: string): boolean {
  return /^[^/]+:\d+$/.test(from);
}

/** The options by which `withClient` finds the service. Throws CliError. */
export function whereFrom(input: Arguments, from: string): Arguments {
  const values = new Map<string, string>([[isAddress(from) ? 'address' : 'state', from]]);
  for (const name of ['ca', 'cert', 'key']) {
    const value = input.text(name);
    if (value !== undefined) values.set(name, value);
  }
  const folder = isAddress(from) ? input.text('state') : undefined;
  const where = folder === undefined ? values : withCertificatesOf(folder, values);
  return new Arguments(where, [], undefined);
}
