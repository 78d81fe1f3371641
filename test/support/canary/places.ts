/** Places in which a secret could lie: files, and processes as root sees them in /proc. */
import { closeSync, openSync, readdirSync, readFileSync, readSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Place } from './search.ts';

const CHUNK_BYTES = 4 * 1024 * 1024;

export function bytesPlace(name: string, bytes: string | Uint8Array): Place {
  const chunk = typeof bytes === 'string' ? Buffer.from(bytes) : bytes;
  return { name, chunks: () => [chunk] };
}

/** A file that is gone, or that never ends, has no bytes. */
export function filePlace(path: string): Place {
  return { name: path, chunks: () => fileChunks(path) };
}

function* fileChunks(path: string): Generator<Uint8Array> {
  const found = statSync(path, { throwIfNoEntry: false });
  if (found?.isFile() !== true) return;
  const file = openSync(path, 'r');
  try {
    const buffer = Buffer.alloc(CHUNK_BYTES);
    for (;;) {
      const read = readSync(file, buffer, 0, buffer.byteLength, null);
      if (read === 0) return;
      yield buffer.subarray(0, read);
    }
  } finally {
    closeSync(file);
  }
}

/** Every file below a folder, and the names themselves. */
export function folderPlaces(folder: string): Place[] {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile());
  return [
    bytesPlace(`names below ${folder}`, entries.map(({ name }) => name).join('\n')),
    ...files.map((entry) => filePlace(join(entry.parentPath, entry.name))),
  ];
}

/** Of /proc/PID: what every user, the same user or root can read there as text. */
const PROC_TEXTS = ['cmdline', 'environ', 'comm', 'maps', 'status', 'limits', 'mountinfo'];

export function processTexts(pid: number): Place[] {
  return PROC_TEXTS.flatMap((name) => {
    const path = `/proc/${String(pid)}/${name}`;
    try {
      return [bytesPlace(path, readFileSync(path))];
    } catch {
      // The process ended.
      return [];
    }
  });
}

/** Everything that a process has written to its memory. Root's right, or that of whoever may trace it. */
export function memoryPlace(pid: number, who: string): Place {
  return { name: `memory of ${who}`, chunks: () => memoryChunks(pid) };
}

function* memoryChunks(pid: number): Generator<Uint8Array> {
  const maps = readFileSync(`/proc/${String(pid)}/smaps`, 'latin1');
  const memory = openSync(`/proc/${String(pid)}/mem`, 'r');
  const pages = openSync(`/proc/${String(pid)}/pagemap`, 'r');
  try {
    for (const region of maps.split(/^(?=[0-9a-f]+-[0-9a-f]+ )/m)) {
      const [, from = '', to = '', mayWrite] = /^([0-9a-f]+)-([0-9a-f]+) r(w|-)/.exec(region) ?? [];
      // What was never written is the program, as it lies in its file.
      if (from === '' || (mayWrite !== 'w' && !/^Anonymous: +[1-9]/m.test(region))) continue;
      for (const [start, end] of touched(pages, parseInt(from, 16), parseInt(to, 16))) {
        yield* regionChunks(memory, start, end);
      }
    }
  } finally {
    closeSync(memory);
    closeSync(pages);
  }
}

const PAGE_BYTES = 4096;
const ENTRY_BYTES = 8;
/** proc_pid_pagemap(5): in memory, or swapped. */
const PRESENT = 0xc0;
const ENTRIES_AT_ONCE = 32_768;

/** Runs of pages that hold something: V8 reserves hundreds of megabytes that it never uses. */
function* touched(pages: number, from: number, to: number): Generator<[number, number]> {
  const entries = Buffer.alloc(ENTRIES_AT_ONCE * ENTRY_BYTES);
  let start: number | undefined;
  for (let at = from; at < to;) {
    const left = Math.min(ENTRIES_AT_ONCE, (to - at) / PAGE_BYTES);
    const read = readSync(pages, entries, 0, left * ENTRY_BYTES, (at / PAGE_BYTES) * ENTRY_BYTES);
    if (read === 0) break;
    for (let i = 0; i < read; i += ENTRY_BYTES, at += PAGE_BYTES) {
      const isTouched = ((entries[i + ENTRY_BYTES - 1] ?? 0) & PRESENT) !== 0;
      if (isTouched) start ??= at;
      else if (start !== undefined) {
        yield [start, at];
        start = undefined;
      }
    }
  }
  if (start !== undefined) yield [start, to];
}

function* regionChunks(memory: number, from: number, to: number): Generator<Uint8Array> {
  const buffer = Buffer.alloc(Math.min(CHUNK_BYTES, to - from));
  for (let at = from; at < to;) {
    let read: number;
    try {
      read = readSync(memory, buffer, 0, Math.min(buffer.byteLength, to - at), at);
    } catch {
      // Unmapped since, or a device.
      return;
    }
    if (read === 0) return;
    yield buffer.subarray(0, read);
    at += read;
  }
}

/** A process and everything that it started, as it is now. */
export function processTree(pid: number): number[] {
  const children = new Map<number, number[]>();
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const parent = parentOf(name);
    children.set(parent, [...(children.get(parent) ?? []), Number(name)]);
  }
  const tree = [pid];
  for (const one of tree) tree.push(...(children.get(one) ?? []));
  return tree;
}

/** 0 for a process that ended. */
function parentOf(pid: string): number {
  try {
    // proc_pid_stat(5): the name in parentheses may hold anything.
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
  } catch {
    return 0;
  }
}
