/**
 * What a shell does as root in a mount namespace of its own before it becomes the enclave: it covers every folder of
 * `/` but those of programs, devices and the kernel, and puts back the folders that the enclave works in, at the same
 * paths. So the enclave sees no file and no socket of the host, and reaches its own below a folder that lets nobody
 * else through.
 */
import { existsSync, readdirSync, writeFileSync } from 'node:fs';

/** Stays in sight: what the tools that come after this one, and the loader, are made of. */
const UNCOVERED = /^(?:bin|sbin|lib[^/]*|usr|dev|proc|sys)$/;

/** Where the folders can wait while everything else is covered. Every Linux has these (FHS 3.0 §3.11, §3.12, §3.17). */
const STAGES = ['/mnt', '/media', '/srv'];

const COVER = 'mode=0755,nosuid,nodev,noexec,size=1m';

/** fstab(5): blanks and backslashes in octal. */
const field = (path: string): string =>
  path.replace(/[ \t\n\\]/g, (blank) => `\\${blank.charCodeAt(0).toString(8).padStart(3, '0')}`);

const quoted = (path: string): string => `'${path.replaceAll("'", `'\\''`)}'`;

/**
 * A script for `sh -c SCRIPT sh COMMAND…`. Most mounts are the work of one program, which reads them from `tableFile`,
 * because each start of it takes a while. Undefined when there is no folder to do it in.
 */
export function ownView(folders: readonly string[], tableFile: string): string | undefined {
  const isFree = (stage: string): boolean =>
    existsSync(stage) && !folders.some((folder) => `${folder}/`.startsWith(`${stage}/`));
  const stage = STAGES.find(isFree);
  if (stage === undefined) return undefined;
  const covered = readdirSync('/', { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && !UNCOVERED.test(entry.name))
    .map(({ name }) => `/${name}`)
    .filter((folder) => folder !== stage);
  const waiting = (i: number): string => `${stage}/${String(i)}`;
  const cover = (folder: string): string => `sealwright ${field(folder)} tmpfs ${COVER} 0 0`;
  const table = [
    cover(stage),
    ...folders.map((folder, i) => `${field(folder)} ${waiting(i)} none rbind,x-mount.mkdir 0 0`),
    ...[...covered, ...['/dev/shm'].filter(existsSync)].map(cover),
  ];
  writeFileSync(tableFile, `${table.join('\n')}\n`, { mode: 0o600 });
  const back = folders.map(
    (folder, i) => `mount --rbind -o x-mount.mkdir ${waiting(i)} ${quoted(folder)}`,
  );
  return `set -eu
PATH=/usr/bin:/bin:/usr/sbin:/sbin
umask 022
mount --all --fstab ${quoted(tableFile)}
${back.join('\n')}
mount -t tmpfs -o ${COVER} sealwright ${stage}
mount -o remount,bind,ro /
umask 077
exec env -i "$@"
`;
}
