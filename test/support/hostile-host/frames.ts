/** Frames as a hostile host makes them: whole, bent, or no frames at all. */
import { BinaryWriter } from '@bufbuild/protobuf/wire';
import { concatBytes, u32 } from '../../../enclave/wire/bytes.ts';
import { ERROR_CODES, type Reason } from '../../../enclave/wire/error-code.ts';
import { WIRE_VERSION } from '../../../enclave/wire/frame.ts';
import { Frame, FrameKind } from '../../../enclave/wire/gen/sealwright/enclave/v1/frame.ts';

export const NOTHING = new Uint8Array(0);

export const NO_FRAME: Frame = {
  version: WIRE_VERSION,
  streamId: 0n,
  kind: FrameKind.FRAME_KIND_UNSPECIFIED,
  method: '',
  body: NOTHING,
  timeoutMs: 0,
  untrustedCaller: undefined,
  code: 0,
  details: [],
};

/** u32 length ‖ message, whatever the message is. */
export function prefixed(message: Uint8Array): Uint8Array {
  return concatBytes(u32(message.byteLength), message);
}

export function framed(fields: Partial<Frame>): Uint8Array {
  return prefixed(Frame.encode({ ...NO_FRAME, ...fields }).finish());
}

export function requestFrame(
  streamId: bigint,
  method: string,
  body: Uint8Array = NOTHING,
  more: Partial<Frame> = {},
): Uint8Array {
  const kind = FrameKind.FRAME_KIND_REQUEST;
  return framed({ streamId, kind, method, body, ...more });
}

export function responseFrame(streamId: bigint, body: Uint8Array = NOTHING): Uint8Array {
  return framed({ streamId, kind: FrameKind.FRAME_KIND_RESPONSE, body });
}

export function refusalFrame(streamId: bigint, reason: Reason): Uint8Array {
  return framed({ streamId, kind: FrameKind.FRAME_KIND_RESPONSE, code: ERROR_CODES[reason] });
}

export function cancelFrame(streamId: bigint): Uint8Array {
  return framed({ streamId, kind: FrameKind.FRAME_KIND_CANCEL });
}

/** A message written field by field, as no generated encoder would. */
export function bent(write: (writer: BinaryWriter) => unknown): Uint8Array {
  const writer = new BinaryWriter();
  write(writer);
  return writer.finish();
}
