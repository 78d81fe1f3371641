/**
 * The host's side, loaded before it: at SIGUSR2 it writes what a debugger would, a heap snapshot and a diagnostic report.
 */
import { join } from 'node:path';
import process from 'node:process';
import { writeHeapSnapshot } from 'node:v8';
import { DUMPS_FOLDER } from './places-of-clone.ts';

let dumps = 0;

process.on('SIGUSR2', () => {
  dumps += 1;
  const name = `${String(process.pid)}-${String(dumps)}`;
  process.report.writeReport(join(DUMPS_FOLDER, `${name}.report.json`));
  writeHeapSnapshot(join(DUMPS_FOLDER, `${name}.heapsnapshot`));
});
