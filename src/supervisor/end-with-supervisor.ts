/**
 * Preloaded into children that may also run alone: the supervisor holds the other end of stdin, and the
 * kernel closes it when the supervisor dies in whatever way. A service without it must not stay for ever
 * on a port that the next start wants.
 */
process.stdin.on('end', () => {
  process.kill(process.pid, 'SIGTERM');
});
process.stdin.on('error', () => undefined);
// Reads and drops: nobody sends anything. Never what keeps the process alive.
process.stdin.resume();
const handle = process.stdin as unknown as { unref?: () => void };
handle.unref?.();
