// Rules that find mistakes; layout is prettier's. Import walls between rooms are in .dependency-cruiser.cjs.
import tseslint from 'typescript-eslint';

const PURE = ['base', 'message', 'profile', 'record', 'aggregate', 'ports', 'cluster', 'shard'].map(
  (room) => `src/${room}/**/*.ts`,
);

const noEnum = [
  { selector: 'TSEnumDeclaration', message: 'No enum: use a union of string literals.' },
  { selector: 'TSModuleDeclaration[kind="namespace"]', message: 'No namespace: use a module.' },
];
const noBarrel = [
  { selector: 'ExportAllDeclaration', message: 'No barrel files but src/index.ts.' },
  { selector: 'ExportNamedDeclaration[source]', message: 'No re-exports but in src/index.ts: import from where it is defined.' },
  { selector: 'ExportDefaultDeclaration', message: 'Named exports only.' },
];
const noHtml = ['innerHTML', 'outerHTML', 'insertAdjacentHTML', 'write', 'writeln', 'srcdoc'].map((name) => ({
  selector: `MemberExpression[property.name="${name}"]`,
  message: 'The page makes text and elements, never HTML.',
}));
const noWallClock = [
  { selector: 'NewExpression[callee.name="Date"][arguments.length=0]', message: 'Pure room: time comes in as an argument.' },
  { selector: 'CallExpression[callee.name="Date"]', message: 'Pure room: time comes in as an argument.' },
];

const IMPURE_GLOBALS = [
  'setTimeout',
  'setInterval',
  'setImmediate',
  'queueMicrotask',
  'process',
  'console',
  'performance',
  'crypto',
  'fetch',
  'Intl',
  'globalThis',
].map((name) => ({ name, message: 'Pure room: time, randomness, I/O and locale come in as arguments.' }));

const IMPURE_PROPERTIES = [
  { object: 'Date', property: 'now', message: 'Pure room: time comes in as an argument.' },
  { object: 'Math', property: 'random', message: 'Pure room: randomness comes in as an argument.' },
  ...['localeCompare', 'toLocaleString', 'toLocaleLowerCase', 'toLocaleUpperCase'].map((property) => ({
    property,
    message: 'Pure room: the result depends on the locale.',
  })),
];

const mistakes = {
  eqeqeq: ['error', 'always', { null: 'ignore' }],
  'no-async-promise-executor': 'error',
  'no-cond-assign': 'error',
  'no-debugger': 'error',
  'no-dupe-else-if': 'error',
  'no-duplicate-case': 'error',
  'no-empty-pattern': 'error',
  'no-eval': 'error',
  'no-fallthrough': 'error',
  'no-loss-of-precision': 'error',
  'no-new-func': 'error',
  'no-self-assign': 'error',
  'no-sparse-arrays': 'error',
  'no-unreachable': 'error',
  'no-unsafe-finally': 'error',
  'no-unused-labels': 'error',
  'no-useless-catch': 'error',
  'no-var': 'error',
  'prefer-const': 'error',
  'use-isnan': 'error',
  'valid-typeof': 'error',
};

const typedMistakes = {
  '@typescript-eslint/await-thenable': 'error',
  '@typescript-eslint/ban-ts-comment': 'error',
  '@typescript-eslint/consistent-type-imports': ['error', { disallowTypeAnnotations: false, fixStyle: 'inline-type-imports' }],
  '@typescript-eslint/no-array-delete': 'error',
  '@typescript-eslint/no-base-to-string': 'error',
  '@typescript-eslint/no-explicit-any': 'error',
  '@typescript-eslint/no-floating-promises': 'error',
  '@typescript-eslint/no-for-in-array': 'error',
  '@typescript-eslint/no-implied-eval': 'error',
  '@typescript-eslint/no-misused-promises': 'error',
  '@typescript-eslint/no-unnecessary-type-assertion': 'error',
  '@typescript-eslint/no-unused-vars': [
    'error',
    { argsIgnorePattern: '^_', varsIgnorePattern: '^_', caughtErrorsIgnorePattern: '^_', destructuredArrayIgnorePattern: '^_' },
  ],
  '@typescript-eslint/only-throw-error': 'error',
  '@typescript-eslint/prefer-promise-reject-errors': 'error',
  '@typescript-eslint/return-await': ['error', 'error-handling-correctness-only'],
  // A written `default` is a decision; without one every member of the union needs its case.
  '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
};

export default tseslint.config(
  { ignores: ['dist/', 'coverage/', '.cache/', 'node_modules/', 'bench/results/'] },
  { linterOptions: { reportUnusedDisableDirectives: 'error' } },
  { files: ['**/*.{js,cjs,mjs}'], rules: mistakes },
  {
    files: ['**/*.ts'],
    extends: [tseslint.configs.base],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: { ...mistakes, ...typedMistakes, 'no-restricted-syntax': ['error', ...noEnum] },
  },
  {
    // the page: plain JavaScript whose types are in its comments
    files: ['src/explorer/*.js'],
    extends: [tseslint.configs.base],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: { ...mistakes, ...typedMistakes, 'no-restricted-syntax': ['error', ...noBarrel, ...noHtml] },
  },
  { files: ['src/**/*.ts'], ignores: ['src/index.ts'], rules: { 'no-restricted-syntax': ['error', ...noEnum, ...noBarrel] } },
  {
    files: ['src/*/**/index.ts'],
    rules: { 'no-restricted-syntax': ['error', { selector: 'Program', message: 'No barrel files but src/index.ts.' }] },
  },
  {
    files: PURE,
    rules: {
      'no-restricted-globals': ['error', ...IMPURE_GLOBALS],
      'no-restricted-properties': ['error', ...IMPURE_PROPERTIES],
      'no-restricted-syntax': ['error', ...noEnum, ...noBarrel, ...noWallClock],
    },
  },
  { files: ['test/**/*.ts', 'bench/**/*.ts'], rules: { '@typescript-eslint/no-explicit-any': 'off' } },
);
