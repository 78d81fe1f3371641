/** What an earlier run left behind when it was killed. */
import { readConnection, removeConnection } from '../supervisor/connection-file.ts';
import { removeRunFolder } from '../supervisor/run-folder.ts';

/**
 * Removes the leavings of a run that could not clean up, and tells whether there was one. Only for who
 * holds the folder's lock: the run that wrote the file is dead then.
 */
export function takeOverFromCutOff(state: string): boolean {
  try {
    const connection = readConnection(state);
    if (connection === undefined) return false;
    // The file of another folder, whose run may be alive: its sockets are not ours.
    if (!isAlive(connection.pid)) removeRunFolder(connection.runFolder);
  } catch {
    // Undecodable: cut off while nobody was there to write it whole.
  }
  removeConnection(state);
  return true;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // It lives, and belongs to somebody else.
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
