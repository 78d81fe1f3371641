// Allowed: the pool starts the workers.
export { spawn } from 'node:child_process';
