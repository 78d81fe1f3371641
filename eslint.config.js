import comments from '@eslint-community/eslint-plugin-eslint-comments/configs';
import js from '@eslint/js';
import { defineConfig } from 'eslint/config';
import tseslint from 'typescript-eslint';

// What imports cannot show: globals are effects too. See the table in .dependency-cruiser.cjs.
const effectGlobals = [
  'process',
  'require',
  'fetch',
  'WebSocket',
  'EventSource',
  'XMLHttpRequest',
].map((name) => ({ name, message: 'This code is pure: effects come in through ports.' }));

const clockGlobals = ['setTimeout', 'setInterval', 'setImmediate', 'performance'].map((name) => ({
  name,
  message: 'Time comes in through a port or a parameter.',
}));

const clockAndChance = [
  { object: 'Date', property: 'now', message: 'Time comes in through a port or a parameter.' },
  { object: 'Math', property: 'random', message: 'Randomness comes from the Entropy port.' },
];

export default defineConfig(
  {
    ignores: [
      'build/',
      'dist/',
      'coverage/',
      '.sealwright/',
      'enclave/wire/gen/',
      'src/gen/',
      // These break the rules on purpose.
      'test/support/boundary-fixtures/',
    ],
  },
  { linterOptions: { reportUnusedDisableDirectives: 'error', reportUnusedInlineConfigs: 'error' } },
  js.configs.recommended,
  tseslint.configs.strictTypeChecked,
  tseslint.configs.stylisticTypeChecked,
  comments.recommended,
  {
    languageOptions: {
      parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname },
    },
    rules: {
      'no-console': 'error',
      'no-restricted-properties': ['error', clockAndChance[1]],
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_' }],
      '@typescript-eslint/switch-exhaustiveness-check': [
        'error',
        // A default is for what the types rule out and a decoder still lets through.
        { requireDefaultForNonUnion: true, considerDefaultExhaustiveForUnions: true },
      ],
      '@eslint-community/eslint-comments/require-description': [
        'error',
        { ignore: ['eslint-enable'] },
      ],
    },
  },
  {
    // An import that is computed is one that no rule can judge.
    files: ['enclave/**/*.ts'],
    rules: {
      'no-restricted-syntax': [
        'error',
        { selector: 'ImportExpression', message: 'The enclave imports statically.' },
        {
          selector: 'Identifier[name="getBuiltinModule"]',
          message: 'The enclave imports statically.',
        },
      ],
    },
  },
  {
    // The link between host and enclave keeps deadlines, so this folder may use timers.
    files: ['enclave/wire/**/*.ts'],
    rules: { 'no-restricted-globals': ['error', ...effectGlobals] },
  },
  {
    files: [
      'enclave/core/**/*.ts',
      'enclave/payload/**/*.ts',
      'enclave/log/**/*.ts',
      'src/verifier/**/*.ts',
      'src/tlog/**/*.ts',
    ],
    rules: {
      'no-restricted-globals': ['error', ...effectGlobals, ...clockGlobals],
      'no-restricted-properties': ['error', ...clockAndChance],
    },
  },
  {
    // What a reader would write.
    files: ['docs/examples/**/*.ts'],
    rules: { 'no-console': 'off' },
  },
  {
    files: ['**/*.js', '**/*.mjs', '**/*.cjs'],
    extends: [tseslint.configs.disableTypeChecked],
    languageOptions: { globals: { module: 'readonly', URL: 'readonly' } },
  },
);
