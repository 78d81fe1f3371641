/**
 * `connection.json` of a state folder: how clients on this computer reach the service that runs there.
 * Written at each start, removed by an orderly stop.
 */
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { replaceFile } from '../simulator/private-file.ts';

export interface ConnectionFile {
  readonly v: 1;
  /** HOST:PORT of gRPC; absent when only sockets are served. */
  readonly address?: string | undefined;
  /** HOST:PORT of the HTTP front. */
  readonly http?: string | undefined;
  /** Absolute paths of PEM files. */
  readonly ca?: string | undefined;
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
  /** Absolute paths of Unix sockets. */
  readonly sockets: readonly string[];
  /** The supervisor. */
  readonly pid: number;
  /** Folder of the Unix sockets of this run. */
  readonly runFolder: string;
}

export function connectionPath(state: string): string {
  return join(state, 'connection.json');
}

export function writeConnection(state: string, connection: ConnectionFile): void {
  replaceFile(connectionPath(state), `${JSON.stringify(connection, undefined, 2)}\n`, 0o600);
}

export function removeConnection(state: string): void {
  rmSync(connectionPath(state), { force: true });
}

/** undefined when there is none. Throws for a file that is none of ours. */
export function readConnection(state: string): ConnectionFile | undefined {
  let text: string;
  try {
    text = readFileSync(connectionPath(state), 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  const value: unknown = JSON.parse(text);
  if (!isConnection(value)) throw new Error(`${connectionPath(state)} is not a connection file`);
  return value;
}

function isConnection(value: unknown): value is ConnectionFile {
  if (typeof value !== 'object' || value === null) return false;
  const { v, sockets, pid, ...rest } = value as Record<string, unknown>;
  return (
    v === 1 &&
    typeof pid === 'number' &&
    Array.isArray(sockets) &&
    sockets.every((path) => typeof path === 'string') &&
    Object.values(rest).every((word) => typeof word === 'string')
  );
}
