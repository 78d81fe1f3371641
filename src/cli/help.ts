import { COMMON_OPTIONS } from './command.ts';
import type { Command } from './command.ts';
import { CATALOGUE } from './catalogue.ts';
import { EXIT_HELP } from './exit-status.ts';
import { table } from './output.ts';
import { optionShape, synopsis } from './parse-arguments.ts';

export function commandHelp(command: Command, summary: string): string {
  const options = Object.entries({ ...command.options, ...COMMON_OPTIONS }).map(
    ([name, option]) => [optionShape(name, option), option.help] as const,
  );
  const positionals = (command.positionals ?? []).map(({ name, help }) => [name, help] as const);
  const rows = [...positionals, ...options];
  const paragraphs = [
    summary,
    `usage: npx ${synopsis(command)}\nexample: ${command.example}`,
    table(rows),
    ...(command.notes ?? []).map((note) => wrap(note)),
    `exit status:\n${EXIT_HELP.map((line) => `  ${line}`).join('\n')}`,
  ];
  return `${paragraphs.join('\n\n')}\n`;
}

export function overview(): string {
  const rows = CATALOGUE.map(({ name, summary }) => [name, summary] as const);
  return [
    'Sealwright signs with keys that no person and no host process can reach.',
    'usage: npx sealwright COMMAND [options]\nexample: npx sealwright dev',
    table(rows),
    `exit status:\n${EXIT_HELP.map((line) => `  ${line}`).join('\n')}`,
    'More of a command: npx sealwright COMMAND --help\n',
  ].join('\n\n');
}

function wrap(text: string, columns = 98): string {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > columns) {
      lines.push(line);
      line = word;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  return [...lines, line].join('\n');
}
