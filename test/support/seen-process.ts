/** A process as root sees it in /proc: what the enclave claims of itself is held against this. */
import { readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import process from 'node:process';
import { HARDENING, type Hardening } from '../../enclave/wire/hardening.ts';

export class SeenProcess {
  readonly pid: number;

  constructor(pid: number) {
    this.pid = pid;
  }

  file(name: string): string {
    return readFileSync(`/proc/${String(this.pid)}/${name}`, 'latin1');
  }

  /** A line of proc_pid_status(5), its values. */
  status(field: string): string[] {
    const line = this.file('status')
      .split('\n')
      .find((one) => one.startsWith(`${field}:`));
    return line?.split(/\s+/).slice(1) ?? [];
  }

  get uid(): number {
    return Number(this.status('Uid')[0]);
  }

  /** Processes that this one started. */
  get children(): SeenProcess[] {
    return this.file(`task/${String(this.pid)}/children`)
      .trim()
      .split(' ')
      .filter((pid) => pid !== '')
      .map((pid) => new SeenProcess(Number(pid)));
  }

  /** Soft and hard. */
  limit(name: string): [string, string] {
    const [, soft = '', hard = ''] =
      new RegExp(`^Max ${name} +(\\S+) +(\\S+)`, 'm').exec(this.file('limits')) ?? [];
    return [soft, hard];
  }

  /** Of its root folder. */
  entries(folder: string): string[] {
    return readdirSync(`/proc/${String(this.pid)}/root${folder}`);
  }

  get #capabilities(): string[] {
    return ['CapInh', 'CapPrm', 'CapEff', 'CapAmb'].flatMap((set) => this.status(set));
  }

  #holds(word: Hardening): boolean {
    const parent = new SeenProcess(Number(this.status('PPid')[0]));
    const ns = (of: string): string => readlinkSync(`/proc/${of}/ns/net`);
    switch (word) {
      case 'no-capabilities':
        return this.#capabilities.every((set) => BigInt(`0x${set}`) === 0n);
      case 'no-core-dumps':
        return this.limit('core file size')[1] === '1';
      case 'no-host-files':
        return this.entries('/etc').length === 0 && this.entries('/home').length === 0;
      case 'no-network':
        return (
          ns(String(this.pid)) !== ns('self') &&
          [...this.file('net/dev').matchAll(/^ *(\S+):/gm)].every(([, name]) => name === 'lo') &&
          !this.file('net/fib_trie').includes('127.0.0.1')
        );
      case 'no-new-privileges':
        return this.status('NoNewPrivs')[0] === '1';
      case 'no-tracing':
        // The kernel gives the files of a process that is not dumpable to root.
        return statSync(`/proc/${String(this.pid)}/mem`).uid !== this.uid;
      case 'own-uid':
        return this.uid !== 0 && this.uid !== parent.uid;
      case 'seccomp':
        return this.status('Seccomp')[0] === '2';
    }
  }

  get hardening(): Hardening[] {
    if (process.geteuid?.() !== 0) throw new Error('only root sees this');
    return HARDENING.filter((word) => this.#holds(word));
  }
}
