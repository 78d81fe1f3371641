import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

/** A file of test/support with the verifier, as one script: what only Node has would end the build. */
export async function bundleForBrowser(file: string): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(new URL(file, import.meta.url))],
    bundle: true,
    write: false,
    format: 'iife',
    globalName: 'sealwright',
    platform: 'browser',
    target: 'es2023',
    tsconfigRaw: {},
    logLevel: 'silent',
  });
  return outputFiles[0]?.text ?? '';
}
