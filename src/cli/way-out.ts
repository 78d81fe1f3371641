/** What to do about a halt, in one sentence each. The long form is docs/OPERATIONS.md, "Halt reasons". */
import {
  ALARMS,
  HALT_REASONS,
  type Alarm,
  type HaltReason,
} from '../../enclave/wire/error-code.ts';

const START_ANEW = 'in development, start anew with "dev --destroy": all keys and the log are lost';

const WAYS_OUT = {
  LAUNCH_UNSAFE:
    'find out who starts the enclave like this: only its platform may, with no environment and the measured flags',
  HARDENING_MISSING:
    'give the platform the rights for it (as root, with util-linux and mount), or take the word out of hardening.require',
  PLATFORM_UNAVAILABLE: 'look at the platform and its log, and start again',
  MEASUREMENT_CHANGED: `run the release that sealed the state, with its settings (suite, workers, module); ${START_ANEW}`,
  PLATFORM_CHANGED: `bring back the platform, or its folder from a backup; ${START_ANEW}`,
  SEALED_HANDLE_REJECTED: `restore the store, or the token, from a backup; ${START_ANEW}`,
  STATE_MISSING: `restore the store from a backup; ${START_ANEW}`,
  STATE_DAMAGED: `restore the store from a backup; ${START_ANEW}`,
  LOG_DAMAGED: `restore the log from a backup of the same time as the store or later; ${START_ANEW}`,
  LOG_STORE_FAILED:
    'mend the disk of the log and start again: the next boot reads back what is there',
  STORE_UNAVAILABLE: `mend or restore the store file and start again; ${START_ANEW}`,
  ROLLBACK_DETECTED: `restore the newest store and log; ${START_ANEW}`,
  TOKEN_MISSING: `bring the token with the recorded serial number back; ${START_ANEW}`,
  TOKEN_UNAVAILABLE: 'check the PKCS#11 module and its device, and start again',
  TOKEN_INVENTORY_MISMATCH: `restore the token's objects; somebody changed them; ${START_ANEW}`,
  TOKEN_OBJECT_REJECTED: `the object was changed on the token: treat its key as compromised; ${START_ANEW}`,
  SELF_TEST_FAILED: `the key on the token is not the recorded one: treat it as compromised; ${START_ANEW}`,
  PIN_REJECTED: `somebody changed the token's PIN; no second try is made; ${START_ANEW}`,
  PIN_AT_RISK: `the token counts failed logins; reset the counter as its vendor says; ${START_ANEW}`,
  FENCED: 'another instance holds the state: stop one of them',
  INVARIANT_BROKEN: 'report it with the facts above, and start again',
} as const satisfies Record<HaltReason, string>;

/** undefined for a reason that this version does not know. */
export function wayOutOf(haltReason: string): string | undefined {
  const known = HALT_REASONS.find((reason) => reason === haltReason);
  return known === undefined ? undefined : WAYS_OUT[known];
}

const ALARM_TEXTS = {
  EVIDENCE_RENEWAL_FAILS:
    'the platform gives no new evidence: look at it before the evidence of now is too old to be served (1 h)',
  HSM_SIGNATURE_WRONG:
    'the HSM made a wrong signature, which was not released: look at the HSM and its library; cleared by a restart',
} as const satisfies Record<Alarm, string>;

/** The alarm's name with what to do about it; the name alone when this version does not know it. */
export function alarmText(alarm: string): string {
  const known = ALARMS.find((name) => name === alarm);
  return known === undefined ? alarm : `${known}: ${ALARM_TEXTS[known]}`;
}
