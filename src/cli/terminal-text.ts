/**
 * The last step before a terminal: no command writes what steers a terminal, or hides or reorders what stands beside it,
 * whoever it came from. Words of strangers go through `printable` before, which leaves ASCII only.
 */
import { printable } from '../../enclave/wire/printable.ts';

/** Control and format characters, separators of lines and paragraphs; line feeds and tabs are the commands' own. */
const STEERING = /(?![\n\t])[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;

export function terminalText(text: string): string {
  return text.replace(STEERING, printable);
}

/** The same for JSON, which stays the same value. */
export function terminalJson(json: string): string {
  return json.replace(STEERING, (character) =>
    Array.from({ length: character.length }, (_, i) => {
      const unit = character.charCodeAt(i).toString(16);
      return `\\u${unit.padStart(4, '0')}`;
    }).join(''),
  );
}
