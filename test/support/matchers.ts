/** `toRefuseWith` and `toHaltWith`: refusals and halts are asserted by word, never by text. Import for effect. */
import { expect } from 'vitest';
import { Halt } from '../../enclave/core/lifecycle.ts';
import {
  Refusal,
  type Details,
  type HaltReason,
  type Reason,
} from '../../enclave/wire/error-code.ts';
import { Phase } from '../../enclave/wire/gen/sealwright/v1/status.ts';
import { Running } from './fakes/world.ts';

declare module 'vitest' {
  // eslint-disable-next-line @typescript-eslint/no-unused-vars -- must repeat the parameters of vitest's own
  interface Matchers<R extends void | Promise<void> = void | Promise<void>, T = unknown> {
    /** The function, or promise, ends in this Refusal; `details` must be exactly its details. */
    toRefuseWith(reason: Reason, details?: Details): Promise<void>;
    /** The booted enclave is halted, or the function or promise ends in a Halt; `details` is a part of its details. */
    toHaltWith(reason: HaltReason, details?: Readonly<Record<string, string>>): Promise<void>;
  }
}

/** What was thrown; undefined when nothing was. */
async function thrownBy(received: unknown): Promise<unknown> {
  try {
    await (typeof received === 'function' ? (received as () => unknown)() : received);
    return undefined;
  } catch (error) {
    return error;
  }
}

function shown(error: unknown): string {
  if (error === undefined) return 'nothing';
  if (error instanceof Refusal || error instanceof Halt) {
    return `${error.name} ${error.reason} ${JSON.stringify(error.details)}`;
  }
  return error instanceof Error ? (error.stack ?? error.name) : typeof error;
}

async function haltOf(received: unknown): Promise<unknown> {
  if (!(received instanceof Running)) return thrownBy(received);
  const status = await received.status();
  if (status.phase !== Phase.PHASE_HALTED) return undefined;
  return new Halt(status.haltReason as HaltReason, status.haltDetails);
}

expect.extend({
  async toRefuseWith(received: unknown, reason: Reason, details?: Details) {
    const error = await thrownBy(received);
    const pass =
      error instanceof Refusal &&
      error.reason === reason &&
      (details === undefined || this.equals(error.details, details));
    return {
      pass,
      message: () =>
        `expected Refusal ${reason} ${JSON.stringify(details ?? {})}, got ${shown(error)}`,
    };
  },

  async toHaltWith(received: unknown, reason: HaltReason, details: Record<string, string> = {}) {
    const error = await haltOf(received);
    const pass =
      error instanceof Halt &&
      error.reason === reason &&
      Object.entries(details).every(([key, value]) => error.details[key] === value);
    return {
      pass,
      message: () => `expected Halt ${reason} ${JSON.stringify(details)}, got ${shown(error)}`,
    };
  },
});
