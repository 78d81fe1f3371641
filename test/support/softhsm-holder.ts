/** A process that holds a pool of two workers, prints their process ids and waits: argv is configuration, serial, PIN. */
import { openTokenModule } from '../../enclave/hsm/pool.ts';
import { softhsmModule, TestPin, until, WORKER_COMMAND } from './softhsm.ts';

const [, , configuration = '', serial = '', pin = ''] = process.argv;
const pids: (number | undefined)[] = [];
const module = openTokenModule({
  command: WORKER_COMMAND,
  environment: { SOFTHSM2_CONF: configuration },
  modulePath: softhsmModule ?? '',
  size: 2,
  onEvent: (event) => {
    if (event.kind === 'worker-ready') pids.push(event.pid);
  },
});
const token = await module.open(serial, new TestPin(pin));
await until(() => token.workersReady() === 2);
process.stdout.write(`${pids.join(' ')}\n`);
