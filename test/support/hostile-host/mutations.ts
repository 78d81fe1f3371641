/** What a fuzzer does to frames: whole ones, and their bytes. */
import { concatBytes, u32 } from '../../../enclave/wire/bytes.ts';
import type { Choices } from './choices.ts';

type Frames = readonly Uint8Array[];
type Mutation = (frames: Frames, random: Choices) => Frames;

/** One frame is replaced by what this makes of it. */
function inOne(change: (frame: Uint8Array, random: Choices) => Uint8Array): Mutation {
  return (frames, random) => {
    const at = random.below(frames.length);
    return frames.map((frame, i) => (i === at ? change(frame, random) : frame));
  };
}

const MUTATIONS: readonly [Mutation, ...Mutation[]] = [
  // A flipped bit.
  inOne((frame, random) => {
    const at = random.below(frame.length);
    return frame.map((byte, i) => (i === at ? byte ^ (1 << random.below(8)) : byte));
  }),
  // Another byte.
  inOne((frame, random) => {
    const at = random.below(frame.length);
    const other = random.pick([0, 1, 0x7f, 0x80, 0xff, random.below(256)]);
    return frame.map((byte, i) => (i === at ? other : byte));
  }),
  // Cut.
  inOne((frame, random) => frame.subarray(0, random.below(frame.length))),
  // Bytes out of the middle.
  inOne((frame, random) => {
    const at = random.below(frame.length);
    return concatBytes(frame.subarray(0, at), frame.subarray(at + 1 + random.below(4)));
  }),
  // Bytes put in.
  inOne((frame, random) => {
    const at = random.below(frame.length + 1);
    const more = random.bytes(1 + random.below(16));
    return concatBytes(frame.subarray(0, at), more, frame.subarray(at));
  }),
  // Another length.
  inOne((frame, random) => {
    const lengths = [0, 1, frame.length - 5, frame.length - 3, 0xffff_ffff, random.below(1 << 30)];
    return concatBytes(u32(Math.max(0, lengths[random.below(6)] ?? 0)), frame.subarray(4));
  }),
  // More at the end of the message, with a length that fits: known fields again, and unknown ones.
  inOne((frame, random) => {
    const more = random.bytes(1 + random.below(24));
    return concatBytes(u32(Math.max(0, frame.length - 4) + more.length), frame.subarray(4), more);
  }),
  // A part of the message again.
  inOne((frame, random) => {
    const at = random.below(frame.length);
    const again = frame.subarray(at, at + random.below(frame.length));
    return concatBytes(u32(Math.max(0, frame.length - 4) + again.length), frame.subarray(4), again);
  }),
  // One twice.
  (frames, random) => {
    const at = random.below(frames.length);
    return frames.flatMap((frame, i) => (i === at ? [frame, frame] : [frame]));
  },
  // One is missing.
  (frames, random) => {
    const at = random.below(frames.length);
    return frames.filter((_, i) => i !== at);
  },
  // Two in exchanged places.
  (frames, random) => {
    const [a, b] = [random.below(frames.length), random.below(frames.length)];
    return frames.map((frame, i) => (i === a ? frames[b] : i === b ? frames[a] : frame) ?? frame);
  },
  // Half of one and half of another.
  (frames, random) => {
    const [a, b] = [random.below(frames.length), random.below(frames.length)];
    const [one, two] = [frames[a], frames[b]];
    if (one === undefined || two === undefined) return frames;
    const spliced = concatBytes(
      one.subarray(0, random.below(one.length)),
      two.subarray(random.below(two.length)),
    );
    return frames.map((frame, i) => (i === a ? spliced : frame));
  },
];

/** The frames after this many mutations. */
export function mutated(frames: Frames, times: number, random: Choices): Frames {
  let changed = frames;
  for (let i = 0; i < times && changed.length > 0; i += 1) {
    // Of nothing nothing can be made.
    changed = random
      .pick(MUTATIONS)(changed, random)
      .filter(({ length }) => length > 0);
  }
  return changed;
}
