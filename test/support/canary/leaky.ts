/**
 * A process that leaks what it reads from stdin, in the way that its last argument names. It holds it in its memory in
 * any case, says `ready`, and waits.
 */
import process from 'node:process';
import { buffer } from 'node:stream/consumers';

const secret = await buffer(process.stdin);
const held = [secret, secret.toString('hex'), Buffer.from(secret.toString('hex'), 'utf16le')];
const way = process.argv.at(-1);
if (way === 'stdout') process.stdout.write(secret);
if (way === 'stderr') process.stderr.write(secret);
if (way === 'title') process.title = secret.toString('hex');
process.stdout.write('\nready\n');
setInterval(() => held.length, 60_000);
