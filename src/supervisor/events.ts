/** What a supervisor tells: a closed union, printed as text or as JSON lines by the commands. */

export type ProcessName = 'host' | 'platform' | 'enclave';

export type SupervisorEvent =
  /** `ephemeral`: the root is missing or damaged; whatever the enclave seals now is lost at its end. */
  | { readonly event: 'platform.root'; readonly root: 'kept' | 'created' | 'ephemeral' }
  | {
      readonly event: 'process.started';
      readonly process: ProcessName;
      readonly pid: number;
      readonly elapsedMs: number;
    }
  | {
      readonly event: 'process.ended';
      readonly process: ProcessName;
      readonly how: string;
      readonly restartInMs: number;
    }
  | {
      readonly event: 'process.stopped';
      readonly process: ProcessName;
      readonly elapsedMs: number;
    };

export type OnEvent = (event: SupervisorEvent) => void;
