/**
 * Stands in for enclave/hsm/worker.ts: opens without a token, signs with the RSA key of a file, and fails as it is
 * told. argv[2] is the path of a plan; the plan's lies are used up across all workers, one per request of their kind.
 */
import { constants, privateEncrypt } from 'node:crypto';
import { readFileSync, readSync, rmSync, writeSync } from 'node:fs';
import {
  encodeWorkerFrame,
  MAX_WORKER_REQUEST_BYTES,
  MAX_WORKER_RESPONSE_BYTES,
} from '../../enclave/hsm/framing.ts';
import { digestInfo } from '../../enclave/hsm/mechanisms.ts';
import { HsmRequest, HsmResponse } from '../../enclave/wire/gen/sealwright/enclave/v1/hsm.ts';

export type Lie =
  | { readonly kind: 'failure'; readonly rv: number; readonly function: string }
  | { readonly kind: 'wrong-signature' | 'short-signature' | 'other-result' | 'no-result' }
  | { readonly kind: 'garbage' | 'giant' | 'twice' | 'die' | 'hang' };

export interface Plan {
  readonly privateKey: string;
  /** `FOLDER/open-0`, `FOLDER/sign-3`, …: whoever removes the file tells its lie. */
  readonly folder: string;
  readonly open: readonly Lie[];
  readonly sign: readonly Lie[];
  /** Told again and again when the list is used up. */
  readonly openAlways?: Lie;
  readonly signAlways?: Lie;
}

type Result = NonNullable<HsmResponse['result']>;

const plan = JSON.parse(readFileSync(process.argv[2] ?? '', 'utf8')) as Plan;

function nextLie(kind: 'open' | 'sign'): Lie | undefined {
  for (const [index, lie] of plan[kind].entries()) {
    try {
      rmSync(`${plan.folder}/${kind}-${String(index)}`);
      return lie;
    } catch {
      // Told already.
    }
  }
  return plan[`${kind}Always`];
}

function truth(call: HsmRequest['call']): Result {
  if (call?.$case === 'openToken') {
    const token = {
      label: '',
      manufacturer: '',
      model: '',
      serial: call.value.serial,
      flags: 0x400,
    };
    return { $case: 'tokenOpened', value: { token, mechanisms: [] } };
  }
  if (call?.$case !== 'sign') return { $case: 'count', value: 0 };
  const key = { key: plan.privateKey, padding: constants.RSA_PKCS1_PADDING };
  const signature = privateEncrypt(key, digestInfo('sha256', call.value.input));
  return { $case: 'signature', value: signature };
}

function write(bytes: Uint8Array): void {
  for (let written = 0; written < bytes.length;) written += writeSync(3, bytes, written);
}

function send(result: Result | undefined): void {
  write(encodeWorkerFrame(HsmResponse.encode({ result }).finish(), MAX_WORKER_RESPONSE_BYTES));
}

function answer(result: Result, lie: Lie | undefined): void {
  switch (lie?.kind) {
    case undefined:
      send(result);
      return;
    case 'failure':
      send({ $case: 'failure', value: { rv: lie.rv, function: lie.function } });
      return;
    case 'wrong-signature':
      send({ $case: 'signature', value: new Uint8Array(256).fill(1) });
      return;
    case 'short-signature':
      send({ $case: 'signature', value: new Uint8Array(255) });
      return;
    case 'other-result':
      send({ $case: 'mac', value: new Uint8Array(32) });
      return;
    case 'no-result':
      send(undefined);
      return;
    case 'garbage':
      write(Uint8Array.of(0, 0, 0, 3, 0xff, 0xff, 0xff));
      return;
    case 'giant':
      write(Uint8Array.of(0xff, 0xff, 0xff, 0xff));
      return;
    case 'twice':
      send(result);
      send(result);
      return;
    case 'die':
      process.kill(process.pid, 'SIGKILL');
      return;
    case 'hang':
      for (;;) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
  }
}

const buffer = Buffer.alloc(4 + MAX_WORKER_REQUEST_BYTES);
for (let filled = 0; ;) {
  const read = readSync(3, buffer, filled, buffer.length - filled, null);
  if (read === 0) process.exit(0);
  filled += read;
  while (filled >= 4 && filled >= 4 + buffer.readUInt32BE(0)) {
    const end = 4 + buffer.readUInt32BE(0);
    const { call } = HsmRequest.decode(buffer.subarray(4, end));
    answer(truth(call), nextLie(call?.$case === 'openToken' ? 'open' : 'sign'));
    buffer.copyWithin(0, end, filled);
    filled -= end;
  }
}
