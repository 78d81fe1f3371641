/** A socket pair that the parent left on a file descriptor. */
import { Socket } from 'node:net';

export function inheritedStream(fd: number): Socket {
  return new Socket({ fd, readable: true, writable: true });
}
