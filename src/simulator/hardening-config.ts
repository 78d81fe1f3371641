/** What an operator says about the shields of the enclave's process (docs/OPERATIONS.md, "Hardening"). */
import { isAbsolute } from 'node:path';
import { HARDENING, type Hardening } from '../../enclave/wire/hardening.ts';

export interface HardeningConfig {
  /** Who the enclave is when root starts it: a name of /etc/passwd or a number. Undefined: a free number. */
  readonly user?: string | number | undefined;
  /** The module reaches its HSM over the network, so the enclave keeps the platform's. */
  readonly network: boolean;
  /** Folders that the module needs beside its own. */
  readonly folders: readonly string[];
  /** Without these the enclave halts. */
  readonly require: readonly Hardening[];
}

export const DEFAULT_HARDENING: HardeningConfig = { network: false, folders: [], require: [] };

const KEYS = ['user', 'network', 'folders', 'require'];
/** Linux's user ids; the last one means "none". */
const MAX_UID = 0xffff_fffe;

const isHardening = (value: unknown): value is Hardening =>
  (HARDENING as readonly unknown[]).includes(value);

/** Missing members have their defaults. Adds every problem, at its JSON pointer. */
export function parseHardening(value: unknown, problems: string[]): HardeningConfig {
  if (value === undefined) return DEFAULT_HARDENING;
  const problem = (place: string, text: string): void => {
    problems.push(`/hardening${place}: ${text}`);
  };
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    problem('', 'must be an object');
    return DEFAULT_HARDENING;
  }
  for (const key of Object.keys(value)) {
    if (!KEYS.includes(key)) problem(`/${key}`, 'unknown key');
  }
  const { user, network, folders, require } = { ...DEFAULT_HARDENING, ...value } as Record<
    keyof HardeningConfig,
    unknown
  >;
  if (!isUser(user)) {
    problem(
      '/user',
      'must be a name, or a number from 1: the enclave as root has no user of its own',
    );
  }
  if (typeof network !== 'boolean') problem('/network', 'must be true or false');
  if (!isList(folders, isFolder)) problem('/folders', 'must be a list of absolute paths');
  if (!isList(require, isHardening)) {
    problem('/require', `must be a list of words of: ${HARDENING.join(', ')}`);
  }
  return { user, network, folders, require } as HardeningConfig;
}

function isUser(value: unknown): boolean {
  if (value === undefined) return true;
  if (typeof value === 'string') return /^[a-z_][a-z0-9_-]*\$?$/i.test(value) && value !== 'root';
  return Number.isInteger(value) && Number(value) >= 1 && Number(value) <= MAX_UID;
}

const isFolder = (value: unknown): boolean => typeof value === 'string' && isAbsolute(value);

const isList = (value: unknown, isItem: (item: unknown) => boolean): boolean =>
  Array.isArray(value) && value.every(isItem);
