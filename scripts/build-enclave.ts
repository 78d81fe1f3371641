// Bundles the enclave: what this writes is what is measured. Only the set-up runs it.
//
//   node scripts/build-enclave.ts
//
// The same sources, lockfile and addon give the same bytes in any folder: paths are relative, no
// tsconfig is read (a found one changes the output), nothing is minified or mapped, so a reviewer can
// read the bundle itself. CommonJS, because an ESM bundle cannot require the native addon.
import { copyFileSync, mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { build, type Metafile, type Plugin } from 'esbuild';

export interface Bundle {
  readonly entry: string;
  readonly output: string;
  /** Folders of which our own files may be inside. */
  readonly from: readonly string[];
  /** The npm packages that may be inside, those that come with another package included. */
  readonly packages: readonly string[];
  /** Folders of which no file may be inside. */
  readonly without: readonly string[];
}

const mainPackages = ['@bufbuild/protobuf', '@noble/curves', '@noble/hashes', 'hpke'] as const;

const production: Bundle = {
  entry: 'enclave/main.ts',
  output: 'main.cjs',
  from: ['enclave/'],
  packages: mainPackages,
  without: ['enclave/platform/simulated/'],
};
const simulated: Bundle = {
  entry: 'enclave/main-simulated.ts',
  output: 'main-simulated.cjs',
  from: ['enclave/'],
  packages: mainPackages,
  without: [],
};
const worker: Bundle = {
  entry: 'enclave/hsm/worker.ts',
  output: 'hsm-worker.cjs',
  from: ['enclave/'],
  packages: ['@bufbuild/protobuf', 'pkcs11js'],
  without: ['enclave/core/', 'enclave/platform/', 'enclave/io/'],
};

/** A release. */
export const bundles: readonly Bundle[] = [production, simulated, worker];

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
        ? bundle.from.some((folder) => input.startsWith(folder)) &&
          !bundle.without.some((folder) => input.startsWith(folder))
        : bundle.packages.includes(name);
    if (!allowed) throw new Error(`${bundle.output} may not contain ${input}`);
  }
}

/** Bundles the enclave of the repository at `root`; files in `outFolder` are replaced whole. */
export function buildEnclave(root: string, outFolder: string): Promise<void> {
  return writeBundles(root, outFolder, bundles);
}

/**
 * The simulated enclave with another entry, for the benchmark and for tests: files of the entry's own folder may be
 * inside too. It measures as another enclave than any release. The platform starts it when its configuration names
 * `outFolder` as `bundles`, which no command of `sealwright` lets anybody say.
 */
export function buildEnclaveWith(root: string, entry: string, outFolder: string): Promise<void> {
  const other = { ...simulated, entry, from: [...simulated.from, `${dirname(entry)}/`] };
  return writeBundles(root, outFolder, [other, worker]);
}

async function writeBundles(
  root: string,
  outFolder: string,
  wanted: readonly Bundle[],
): Promise<void> {
  mkdirSync(outFolder, { recursive: true });
  const unfinished = (file: string): string => join(outFolder, `.${file}.${String(process.pid)}`);
  for (const bundle of wanted) {
    writeFileSync(unfinished(bundle.output), await bundled(root, bundle));
  }
  copyFileSync(join(root, addonSource), unfinished(addonFile));
  for (const file of [...wanted.map(({ output }) => output), addonFile]) {
    renameSync(unfinished(file), join(outFolder, file));
  }
}

async function bundled(root: string, bundle: Bundle): Promise<Uint8Array> {
  const result = await build({
    absWorkingDir: root,
    entryPoints: [bundle.entry],
    outfile: bundle.output,
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
  return file.contents;
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
