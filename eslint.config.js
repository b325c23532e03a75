/**
 * Lint rules: the strict, type-aware set of typescript-eslint, and what keeps the core pure.
 * A rule is switched off here or nowhere: comments that switch one off have no effect and fail the tidy test.
 */
import tseslint from 'typescript-eslint';

const PURE_ROOMS = ['domain/**/*.ts', 'models/**/*.ts', 'projections/**/*.ts'];
/** A script for the command line, not part of the model at run time. */
const SCRIPTS = ['models/reference/*.ts'];

const outsideOnly = (name) => ({ name, message: 'The core has no clock, no chance, no timer and no I/O: take it through a port.' });

const IMPURE_GLOBALS = ['performance', 'process', 'setTimeout', 'setInterval', 'setImmediate', 'queueMicrotask', 'fetch', 'crypto'].map(outsideOnly);
const IMPURE_PROPERTIES = [
  { object: 'Date', property: 'now', message: 'Time comes in from outside.' },
  { object: 'Math', property: 'random', message: 'Randomness comes from a seed.' },
];
const IMPURE_SYNTAX = [
  { selector: 'NewExpression[callee.name="Date"][arguments.length=0]', message: 'Time comes in from outside.' },
  { selector: 'CallExpression[callee.name="Date"]', message: 'Time comes in from outside.' },
];
const NO_PROMISES = [
  { selector: 'NewExpression[callee.name="Promise"]', message: 'Nothing in the domain waits.' },
  { selector: 'MemberExpression[object.name="Promise"]', message: 'Nothing in the domain waits.' },
  { selector: 'AwaitExpression', message: 'Nothing in the domain waits.' },
  { selector: ':function[async=true]', message: 'Nothing in the domain waits.' },
];

const NODE_20_GLOBALS = ['AbortController', 'AbortSignal', 'Buffer', 'URL', '__dirname', 'module', 'performance', 'process', 'require', 'clearTimeout', 'setTimeout'];
const LATER_THAN_NODE_20 = [['Promise', 'withResolvers'], ['Promise', 'try'], ['Object', 'groupBy'], ['Map', 'groupBy'], ['Array', 'fromAsync'], ['URL', 'parse'], ['Iterator', 'from'], ['RegExp', 'escape'], ['process', 'getBuiltinModule']]
  .map(([object, property]) => ({ object, property, message: 'Node 20 does not have it.' }));

export default tseslint.config(
  { ignores: ['node_modules/', 'coverage/', 'data/', 'test/fixtures/', '**/*.json'] },
  {
    files: ['**/*.ts'],
    extends: [tseslint.configs.strictTypeChecked],
    languageOptions: { parserOptions: { projectService: { allowDefaultProject: ['vitest.config.ts'] }, tsconfigRootDir: import.meta.dirname } },
    linterOptions: { noInlineConfig: true, reportUnusedDisableDirectives: 'error' },
    rules: {
      '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
      '@typescript-eslint/consistent-type-imports': 'error',
      // A name that begins with _ says that its value is left out on purpose.
      '@typescript-eslint/no-unused-vars': ['error', { varsIgnorePattern: '^_', argsIgnorePattern: '^_', ignoreRestSiblings: true }],
      eqeqeq: 'error',
      'no-console': 'error',
      'no-empty': 'error',
      // noUncheckedIndexedAccess makes every read from a typed array possibly undefined; `!` says the bound is known.
      '@typescript-eslint/no-non-null-assertion': 'off',
      '@typescript-eslint/no-unnecessary-condition': 'off',
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true, allowBoolean: true }],
      // `return stop();` at the end of a branch reads well and says that nothing follows.
      '@typescript-eslint/no-confusing-void-expression': 'off',
      // An async method without await turns a throw into a rejection, which is what its port promises.
      '@typescript-eslint/require-await': 'off',
      // Money, prices and units are branded bigints, which the rule takes for something else.
      '@typescript-eslint/no-unsafe-unary-minus': 'off',
      '@typescript-eslint/no-unnecessary-type-parameters': 'off',
    },
  },
  {
    files: PURE_ROOMS,
    ignores: SCRIPTS,
    rules: {
      'no-restricted-globals': ['error', ...IMPURE_GLOBALS],
      'no-restricted-properties': ['error', ...IMPURE_PROPERTIES],
      'no-restricted-syntax': ['error', ...IMPURE_SYNTAX],
    },
  },
  { files: ['domain/**/*.ts'], rules: { 'no-restricted-syntax': ['error', ...IMPURE_SYNTAX, ...NO_PROMISES] } },
  {
    // Programs that print: their standard output is their purpose.
    files: ['test/**/*.ts', 'models/reference/*.ts'],
    rules: { 'no-console': 'off' },
  },
  {
    // Plain JavaScript that must run on the Node of any machine, from 20 on: no syntax beyond ES2023, no name that came later.
    files: ['ops/emergency-close', 'ops/deadman'],
    languageOptions: { ecmaVersion: 2023, sourceType: 'commonjs', globals: Object.fromEntries(NODE_20_GLOBALS.map((name) => [name, 'readonly'])) },
    linterOptions: { noInlineConfig: true, reportUnusedDisableDirectives: 'error' },
    rules: {
      eqeqeq: 'error', 'no-console': 'error', 'no-empty': 'error', 'no-undef': 'error', 'no-unused-vars': 'error', 'no-use-before-define': ['error', { functions: false, classes: false, variables: false }],
      'no-var': 'error', 'prefer-const': 'error', 'no-unreachable': 'error', 'no-dupe-keys': 'error', 'no-self-assign': 'error', 'no-fallthrough': 'error', 'require-atomic-updates': 'off', 'no-eval': 'error',
      'no-restricted-properties': ['error', ...LATER_THAN_NODE_20],
    },
  },
);
