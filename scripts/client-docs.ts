// Writes docs/api/client.md from the types of `sealwright/client` and their comments (typedoc.json).
//
//   node scripts/client-docs.ts           writes docs/api/client.md
//   node scripts/client-docs.ts --check   exits 1 when what is committed differs

import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const made = join(root, 'build/api/client.md');
const committed = join(root, 'docs/api/client.md');

const typedoc = join(root, 'node_modules/typedoc/bin/typedoc');
const args = ['--options', 'typedoc.json', '--logLevel', 'Warn', '--treatWarningsAsErrors'];
execFileSync(process.execPath, [typedoc, ...args], {
  cwd: root,
  stdio: ['ignore', 'inherit', 'inherit'],
});

if (!process.argv.includes('--check')) {
  mkdirSync(dirname(committed), { recursive: true });
  copyFileSync(made, committed);
} else if (readFileSync(made, 'utf8') !== readFileSync(committed, 'utf8')) {
  process.stderr.write('docs/api/client.md is not what the types say: npm run docs\n');
  process.exitCode = 1;
}
