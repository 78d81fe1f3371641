/**
 * Entry of the HSM worker process, the only importer of pkcs11js. argv[2] is the path of the PKCS#11 module. It
 * reads a request from descriptor 3, answers it there, and reads the next: no event loop, no second operation, no
 * output. End of file ends it, so that no worker outlives its enclave.
 */
import { closeSync, readSync, writeSync } from 'node:fs';
import pkcs11js from 'pkcs11js';
import { HsmRequest, HsmResponse } from '../wire/gen/sealwright/enclave/v1/hsm.ts';
import { withUniformErrors, type Cryptoki } from './cryptoki.ts';
import {
  encodeWorkerFrame,
  FRAME_HEADER_BYTES,
  MAX_PIN_PIPE_BYTES,
  MAX_WORKER_REQUEST_BYTES,
  MAX_WORKER_RESPONSE_BYTES,
  parsePins,
  PIN_DESCRIPTOR,
  REQUEST_DESCRIPTOR,
} from './framing.ts';
import { Refusal } from './refusal.ts';
import { WorkerRequests } from './requests.ts';

/** EX_SOFTWARE of sysexits.h. Why is not said: nothing may be printed here. */
const EXIT_BROKEN = 70;

function loadModule(): Cryptoki {
  const module = new pkcs11js.PKCS11();
  try {
    module.load(process.argv[2] ?? '');
  } catch {
    throw new Refusal('module-unusable');
  }
  const uniform = withUniformErrors(module);
  uniform.C_Initialize();
  return uniform;
}

/**
 * pkcs11js takes PINs as strings only, so one copy stays in the heap until it is collected; the bytes are
 * overwritten (docs/THREAT-MODEL.md).
 */
function takePins(count: number): string[] {
  const bytes = Buffer.alloc(MAX_PIN_PIPE_BYTES + 1);
  try {
    const pins = parsePins(bytes.subarray(0, readToEnd(PIN_DESCRIPTOR, bytes)));
    if (pins.length !== count) throw new Refusal('bad-request');
    return pins.map((pin) => pin.toString('latin1'));
  } finally {
    bytes.fill(0);
    closeSync(PIN_DESCRIPTOR);
  }
}

function readToEnd(descriptor: number, into: Buffer): number {
  let length = 0;
  while (length < into.length) {
    const read = readSync(descriptor, into, length, into.length - length, null);
    if (read === 0) return length;
    length += read;
  }
  throw new RangeError('too much on the PIN pipe');
}

/** Calls `serve` with each frame's body, a view that is valid during the call; returns at end of file. */
function serveFrames(serve: (body: Buffer) => void): void {
  const buffer = Buffer.alloc(FRAME_HEADER_BYTES + MAX_WORKER_REQUEST_BYTES);
  let filled = 0;
  for (;;) {
    const read = readSync(REQUEST_DESCRIPTOR, buffer, filled, buffer.length - filled, null);
    if (read === 0) return;
    filled += read;
    let start = 0;
    while (filled - start >= FRAME_HEADER_BYTES) {
      const length = buffer.readUInt32BE(start);
      if (length > MAX_WORKER_REQUEST_BYTES) throw new RangeError('frame too large');
      const end = start + FRAME_HEADER_BYTES + length;
      if (filled < end) break;
      serve(buffer.subarray(start + FRAME_HEADER_BYTES, end));
      start = end;
    }
    buffer.copyWithin(0, start, filled);
    filled -= start;
  }
}

function write(frame: Buffer): void {
  for (let written = 0; written < frame.length;) {
    written += writeSync(REQUEST_DESCRIPTOR, frame, written, frame.length - written);
  }
}

try {
  // A terminal's Ctrl-C reaches the whole process group; the enclave drains and needs its workers for that. The
  // handlers never run, for the event loop never does: they only replace the default action.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
    process.on(signal, () => undefined);
  const requests = new WorkerRequests(loadModule, takePins);
  serveFrames((body) => {
    const response = HsmResponse.encode(requests.answer(HsmRequest.decode(body))).finish();
    write(encodeWorkerFrame(response, MAX_WORKER_RESPONSE_BYTES));
  });
  requests.close();
  process.exit(0);
} catch {
  process.exit(EXIT_BROKEN);
}
