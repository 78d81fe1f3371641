// Who may import what. TypeScript's project references hold the coarse lines; these rules hold the rest:
// npm packages, Node's modules, cycles, reachability. Every rule has a planted violation under
// test/support/boundary-fixtures/, and test/unit/boundaries.test.ts asserts that it is refused.
//
// Paths are relative to the folder cruised from, so the fixtures see the same rules.

/** Every npm package that may be part of what is measured. enclave/README.md repeats it with reasons. */
const enclavePackages = ['@bufbuild/protobuf', '@noble/curves', 'hpke', 'pkcs11js'];

const npm = [
  'npm',
  'npm-dev',
  'npm-optional',
  'npm-peer',
  'npm-bundled',
  'npm-unknown',
  'npm-no-pkg',
];
const inPackage = (name) => `^(?:\\.\\./)*node_modules/${name}/`;
const nodeModules = (...names) => `^(?:node:)?(?:${names.join('|')})$`;

/** Nothing in here has an effect: no socket, no file, no clock. */
const pureRooms = '^enclave/(?:core|payload|log)/';
const adaptors = '^enclave/(platform|hsm|io)/';

const rule = (name, comment, from, to) => ({ name, comment, severity: 'error', from, to });

/** `from` may import no npm package but `names`. */
const npmAllowList = (name, comment, from, names) =>
  rule(name, comment, from, {
    dependencyTypes: npm,
    ...(names.length > 0 ? { pathNot: names.map(inPackage) } : {}),
  });

/** `from` may import no module of Node but `names`. */
const nodeAllowList = (name, comment, from, names) =>
  rule(name, comment, from, {
    dependencyTypes: ['core'],
    ...(names.length > 0 ? { pathNot: nodeModules(...names) } : {}),
  });

/** `to` may be imported from `fromNot` only. */
const onlyFrom = (name, comment, fromNot, to) => rule(name, comment, { pathNot: fromNot }, to);

module.exports = {
  forbidden: [
    rule(
      'no-circular',
      'A module that needs itself cannot be read in order.',
      {},
      { circular: true },
    ),
    rule(
      'resolvable',
      'A rule cannot judge an import that resolves to nothing.',
      {},
      {
        couldNotResolve: true,
      },
    ),
    rule(
      'tests-are-not-imported',
      'Only tests may use tests and their fakes.',
      { pathNot: '^test/' },
      { path: '^test/' },
    ),

    // The enclave: what is measured, and nothing else.
    rule(
      'enclave-is-closed',
      'What is measured must not depend on what is not.',
      { path: '^enclave/' },
      { path: '^(?:src|scripts|test|bin)/' },
    ),
    npmAllowList(
      'enclave-npm-allowlist',
      'A new package in the enclave needs a line in enclave/README.md and here.',
      { path: '^enclave/' },
      enclavePackages,
    ),
    rule(
      'enclave-node-allowlist',
      'The enclave needs no other part of Node. A type is not a part: it is gone from the bundle.',
      { path: '^enclave/' },
      {
        dependencyTypes: ['core'],
        dependencyTypesNot: ['type-only'],
        pathNot: nodeModules(
          'buffer',
          'child_process',
          'crypto',
          'fs',
          'fs/promises',
          'inspector',
          'net',
          'path',
          'process',
        ),
      },
    ),
    rule(
      'production-never-reaches-simulator',
      'That simulated mode cannot be switched on is a property of this graph, not of a flag.',
      { path: '^enclave/main\\.ts$' },
      { path: '^enclave/platform/simulated/', reachable: true },
    ),
    rule(
      'entries-are-not-imported',
      'Importing an entry would start it.',
      { path: '^(?:enclave|src|scripts)/' },
      { path: '^enclave/(?:main[^/]*|hsm/worker)\\.ts$' },
    ),
    npmAllowList(
      'entries-use-no-packages',
      'An entry only connects ports to adaptors.',
      { path: '^enclave/[^/]+\\.ts$' },
      [],
    ),
    nodeAllowList(
      'entries-use-process-only',
      'An entry only connects ports to adaptors.',
      { path: '^enclave/main[^/]*\\.ts$' },
      ['process'],
    ),
    rule(
      'ports-are-types',
      'The list of effects depends on none of their implementations.',
      { path: '^enclave/ports\\.ts$' },
      { path: '^enclave/', pathNot: '^enclave/wire/' },
    ),

    // enclave/wire is shared with the host, so it must not drag the enclave along.
    rule(
      'wire-stands-alone',
      'The host compiles this folder without the rest of the enclave.',
      { path: '^enclave/wire/' },
      { path: '^enclave/', pathNot: '^enclave/wire/' },
    ),
    nodeAllowList(
      'wire-hashes-only',
      'Layouts are hashed and records sealed; nothing else here needs Node.',
      { path: '^enclave/wire/' },
      ['crypto'],
    ),
    nodeAllowList(
      'sessions-use-no-node',
      'The client may be a browser: Web Crypto does all but the AEAD of records, which is a port.',
      { path: '^enclave/wire/session/', pathNot: '^enclave/wire/session/node-aead\\.ts$' },
      [],
    ),
    onlyFrom(
      'protobuf-in-wire-only',
      'In the enclave only generated code reads and writes protobuf.',
      '^(?:enclave/wire/|src/gen/|scripts/|test/|(?:\\.\\./)*node_modules/)',
      { path: inPackage('@bufbuild/protobuf') },
    ),
    rule(
      'protobuf-wire-runtime-only',
      'The reader and writer of the wire format; not the reflection runtime.',
      { path: '^enclave/' },
      {
        path: inPackage('@bufbuild/protobuf'),
        pathNot: `${inPackage('@bufbuild/protobuf')}dist/(?:esm|cjs)/wire/`,
      },
    ),

    // The pure rooms: bytes in, bytes out.
    rule(
      'core-has-no-effects',
      'Effects come in through ports.ts.',
      { path: pureRooms },
      { path: '^enclave/', pathNot: [pureRooms, '^enclave/wire/', '^enclave/ports\\.ts$'] },
    ),
    nodeAllowList(
      'core-uses-crypto-only',
      'Effects come in through ports.ts.',
      { path: pureRooms },
      ['crypto'],
    ),
    rule(
      'curves-in-one-file',
      'Only for ECDSA over a digest that is already there, which Node cannot sign.',
      { path: '^enclave/', pathNot: '^enclave/core/prehashed-ecdsa\\.ts$' },
      { path: inPackage('@noble/curves') },
    ),

    rule(
      'hpke-in-one-file',
      'Who reads that file knows which modes and suites there are.',
      { path: '^(?:enclave|src|scripts)/', pathNot: '^enclave/wire/session/hpke\\.ts$' },
      { path: inPackage('hpke') },
    ),

    // The adaptors: one effect each.
    rule(
      'adaptors-stand-alone',
      'An adaptor knows the ports and the wire, not the other adaptors.',
      { path: adaptors },
      {
        path: '^enclave/',
        pathNot: ['^enclave/$1/', '^enclave/wire/', '^enclave/ports\\.ts$', pureRooms],
      },
    ),
    rule(
      'adaptors-use-types-of-core',
      'Only the entry connects the core to an adaptor.',
      { path: adaptors },
      { path: pureRooms, dependencyTypesNot: ['type-only'] },
    ),
    rule(
      'platforms-stand-alone',
      'One folder per platform, so that a bundle holds one of them.',
      { path: '^enclave/platform/([^/]+)/' },
      { path: '^enclave/platform/[^/]+/', pathNot: '^enclave/platform/$1/' },
    ),
    rule(
      'pkcs11-in-hsm-only',
      'The native addon lives in the worker process.',
      { path: '^enclave/', pathNot: '^enclave/hsm/' },
      { path: inPackage('pkcs11js') },
    ),
    rule(
      'sockets-in-io-only',
      'One place where bytes enter and leave.',
      { path: '^enclave/', pathNot: '^enclave/io/' },
      { path: nodeModules('net') },
    ),
    rule(
      'files-in-platform-and-hsm-only',
      'State is stored by the host, sealed; the enclave itself reads few files.',
      // own-process.ts reads /proc/self.
      { path: '^enclave/', pathNot: '^enclave/(?:platform/|hsm/|io/own-process\\.ts$)' },
      { path: nodeModules('fs', 'fs/promises') },
    ),
    rule(
      'inspector-is-only-asked-whether-it-is-open',
      'What opens an inspector reads every secret.',
      { path: '^enclave/', pathNot: '^enclave/io/own-process\\.ts$' },
      { path: nodeModules('inspector') },
    ),
    rule(
      'processes-in-the-pool-only',
      'The pool of HSM workers is the only thing that the enclave starts.',
      { path: '^enclave/', pathNot: '^enclave/hsm/pool[^/]*\\.ts$' },
      { path: nodeModules('child_process') },
    ),

    // src is untrusted by construction.
    rule(
      'src-sees-only-wire',
      'The host and the enclave share a wire format and nothing else.',
      { path: '^src/' },
      { path: '^enclave/', pathNot: '^enclave/wire/' },
    ),
    rule(
      'src-is-closed',
      'A program does not import its build scripts.',
      { path: '^src/' },
      { path: '^(?:scripts|bin)/' },
    ),
    npmAllowList(
      'src-npm-allowlist',
      'Few packages, and the number is advertised.',
      { path: '^src/', pathNot: '^src/(?:verifier|tlog|client)/' },
      ['@bufbuild/protobuf', '@grpc/grpc-js', '@grpc/reflection', 'grpc-health-check', 'yaml'],
    ),
    onlyFrom(
      'yaml-in-one-file',
      'YAML is read strictly in one place, and never by a server.',
      '^src/cli/policy/yaml\\.ts$|node_modules/',
      { path: inPackage('yaml') },
    ),
    npmAllowList(
      'client-uses-grpc-only',
      'Callers install what the client imports.',
      { path: '^src/client/' },
      ['@grpc/grpc-js'],
    ),
    rule(
      'client-stands-alone',
      'A caller installs the verifier and the client, not the host.',
      { path: '^src/client/' },
      {
        path: '^(?:src|enclave)/',
        pathNot: '^(?:enclave/wire|src/(?:client|gen|pkix|tlog|verifier))/',
      },
    ),
    rule(
      'host-stands-alone',
      'The host verifies nothing on behalf of a caller and needs no client.',
      { path: '^src/host/' },
      { path: '^src/', pathNot: '^src/(?:host|gen|tlog)/' },
    ),
    rule(
      'verifier-stands-alone',
      'A verifier can be read in an hour and run offline, in a browser too.',
      { path: '^src/verifier/' },
      {
        path: '^(?:src|enclave)/',
        pathNot: [
          '^src/(?:verifier|tlog)/',
          '^enclave/wire/(?:layouts|bytes|signed-json|closed-schema|limits|printable|ssh[^/]*|tlog-note|x509/[^/]+|policy/genesis-statement|session/suites)\\.ts$',
        ],
      },
    ),
    rule(
      'tlog-stands-alone',
      'Hashes and text only, in the layouts that the enclave writes.',
      { path: '^src/tlog/' },
      {
        path: '^(?:src|enclave)/',
        pathNot: [
          '^src/tlog/',
          '^enclave/wire/(?:layouts|bytes|signed-json|closed-schema|limits|printable|tlog|tlog-note|tlog-tiles|tlog-proof)\\.ts$',
        ],
      },
    ),
    npmAllowList(
      'verifier-uses-no-packages',
      'A verifier depends on nobody.',
      { path: '^src/(?:verifier|tlog)/' },
      [],
    ),
    nodeAllowList(
      'verifier-uses-no-node',
      'globalThis.crypto.subtle is everywhere; node:crypto is not.',
      { path: '^src/(?:verifier|tlog)/' },
      [],
    ),
    rule(
      'generated-code-stands-alone',
      'It comes from proto/ and knows nothing else.',
      { path: '^src/gen/' },
      { path: '^(?:src|enclave)/', pathNot: '^src/gen/' },
    ),

    rule(
      'scripts-are-thin',
      'Scripts start the host and the enclave; they do not contain them. The benchmark has an entry of its own.',
      { path: '^scripts/', pathNot: '^scripts/bench/enclave/' },
      {
        path: '^(?:src|enclave)/',
        pathNot: [
          '^enclave/wire/',
          '^src/(?:client|gen|pkix|simulator|tlog|verifier)/',
          '^src/host/process-flags\\.ts$',
        ],
      },
    ),
  ],
  options: {
    // Type-only imports count: a boundary that types may cross is not a boundary.
    tsPreCompilationDeps: true,
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '^(?:build|dist|test/support/boundary-fixtures)/' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'node', 'default', 'types'],
      extensions: ['.ts', '.mts', '.js', '.mjs', '.cjs', '.json', '.d.ts'],
    },
  },
};
