// Bundles the enclave: what this writes is what is measured. Only the set-up runs it.
//
//   node scripts/build-enclave.ts
//
// The same sources, lockfile and addon give the same bytes in any folder: paths are relative, no
// tsconfig is read (a found one changes the output), nothing is minified or mapped, so a reviewer can
// read the bundle itself. CommonJS, because an ESM bundle cannot require the native addon.
import { copyFileSync, mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { build, type Metafile, type Plugin } from 'esbuild';

export interface Bundle {
  readonly entry: string;
  readonly output: string;
  /** The npm packages that may be inside, those that come with another package included. */
  readonly packages: readonly string[];
  /** Folders of which no file may be inside. */
  readonly without: readonly string[];
}

const mainPackages = ['@bufbuild/protobuf', '@noble/curves', '@noble/hashes'] as const;

export const bundles: readonly Bundle[] = [
  {
    entry: 'enclave/main.ts',
    output: 'main.cjs',
    packages: mainPackages,
    without: ['enclave/platform/simulated/'],
  },
  {
    entry: 'enclave/main-simulated.ts',
    output: 'main-simulated.cjs',
    packages: mainPackages,
    without: [],
  },
  {
    entry: 'enclave/hsm/worker.ts',
    output: 'hsm-worker.cjs',
    packages: ['@bufbuild/protobuf', 'pkcs11js'],
    without: ['enclave/core/', 'enclave/platform/', 'enclave/io/'],
  },
];

/** The addon lies beside the bundles under this name, here and in the copy that is measured and run. */
export const addonFile = 'pkcs11.node';
const addonSource = 'node_modules/pkcs11js/build/Release/pkcs11.node';

const addonBesideBundle: Plugin = {
  name: 'addon-beside-bundle',
  setup(context) {
    context.onResolve({ filter: /\.node$/ }, ({ path, importer }) =>
      path === './build/Release/pkcs11.node' && /\/node_modules\/pkcs11js\/[^/]+$/.test(importer)
        ? { path: `./${addonFile}`, external: true }
        : { errors: [{ text: `${path} is not an addon that the enclave may load` }] },
    );
  },
};

/** The dependency rules judge imports; this judges what the bundler really put in. */
function refuseStrangers(bundle: Bundle, metafile: Metafile): void {
  for (const input of Object.keys(metafile.inputs)) {
    const name = /^node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(input)?.[1];
    const allowed =
      name === undefined
        ? input.startsWith('enclave/') && !bundle.without.some((folder) => input.startsWith(folder))
        : bundle.packages.includes(name);
    if (!allowed) throw new Error(`${bundle.output} may not contain ${input}`);
  }
}

/** Bundles the enclave of the repository at `root`; files in `outFolder` are replaced whole. */
export async function buildEnclave(root: string, outFolder: string): Promise<void> {
  mkdirSync(outFolder, { recursive: true });
  const unfinished = (file: string): string => join(outFolder, `.${file}.${String(process.pid)}`);

  for (const bundle of bundles) {
    const result = await build({
      absWorkingDir: root,
      entryPoints: [bundle.entry],
      outfile: join(outFolder, bundle.output),
      bundle: true,
      write: false,
      metafile: true,
      format: 'cjs',
      platform: 'node',
      target: 'node24',
      charset: 'utf8',
      // Modules are strict; esbuild forgets it when it turns them into CommonJS.
      banner: { js: "'use strict';" },
      external: ['*.node'],
      plugins: [addonBesideBundle],
      tsconfigRaw: {},
      // Not from the environment.
      nodePaths: [],
      sourcemap: false,
      legalComments: 'none',
      logLevel: 'silent',
    });
    const [warning] = result.warnings;
    if (warning !== undefined) throw new Error(`${bundle.entry}: ${warning.text}`);
    refuseStrangers(bundle, result.metafile);
    const [file] = result.outputFiles;
    if (file === undefined) throw new Error(`${bundle.entry} gave no output`);
    writeFileSync(unfinished(bundle.output), file.contents);
  }
  copyFileSync(join(root, addonSource), unfinished(addonFile));

  for (const file of [...bundles.map(({ output }) => output), addonFile]) {
    renameSync(unfinished(file), join(outFolder, file));
  }
}

if (import.meta.main) {
  const root = fileURLToPath(new URL('..', import.meta.url));
  try {
    await buildEnclave(root, join(root, 'build', 'enclave'));
  } catch (error) {
    // The bundler's message names file and line; its stack says nothing more.
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = 1;
  }
}
