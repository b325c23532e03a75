/**
 * Which room may import which. The table is that of ARCHITECTURE.md; test/tidy/rooms.unit.test.ts enforces it and
 * proves on planted files that each rule bites.
 */
const outside = (rooms) => `^(?!(?:${rooms.join('|')})/)(?:src|domain|models|projections|adapters|config|ops|test)/`;
const room = (name, allowed) => ({
  name: `${name}-imports`,
  severity: 'error',
  comment: `${name}/ may import ${allowed.length === 0 ? 'nothing else' : allowed.join(', ')}`,
  from: { path: `^${name}/` },
  to: { path: outside([name, ...allowed]) },
});

/** Libraries that compute and touch nothing; node:crypto is there for its hashes. */
const PURE_LIBRARIES = '(^|/)node_modules/(zod|decimal\\.js|uuid|pure-rand)/';

module.exports = {
  forbidden: [
    room('domain', []),
    room('models', ['domain']),
    room('projections', ['domain']),
    room('config', ['domain']),
    room('adapters', ['domain', 'models', 'config']),
    room('src', ['domain', 'models', 'projections', 'config', 'adapters']),
    room('ops', []),
    {
      name: 'adapters-stay-apart',
      severity: 'error',
      comment: 'no adapter imports another',
      from: { path: '^adapters/([^/]+)/' },
      to: { path: '^adapters/', pathNot: '^adapters/$1/' },
    },
    {
      name: 'engine-does-its-own-sums',
      severity: 'error',
      comment: 'the matching engine shares numbers and calendar with the daemon, so that agreement of the ledgers proves something',
      from: { path: '^adapters/broker/engine/' },
      to: { path: '^(domain/(?!(money|instruments|calendar|time)\\.ts$)|models/|config/)' },
    },
    {
      name: 'core-is-pure',
      severity: 'error',
      comment: 'domain, models and projections use pure libraries and node:crypto alone',
      from: { path: '^(domain|models|projections)/', pathNot: '^models/reference/[^/]+\\.ts$' },
      to: { dependencyTypesNot: ['local'], pathNot: `(${PURE_LIBRARIES}|^(node:)?crypto$)` },
    },
    {
      name: 'replay-only-reads',
      severity: 'error',
      comment: 'a replay of decisions is handed a log to read and runs networks: no broker and no store is in its reach, through others either',
      from: { path: '^src/replay/' },
      to: { path: '^adapters/(?!onnx/)', reachable: true },
    },
    { name: 'no-circles', severity: 'error', comment: 'a circle has no first reader', from: {}, to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } } },
    { name: 'resolvable', severity: 'error', comment: 'every import leads somewhere', from: {}, to: { couldNotResolve: true } },
  ],
  options: {
    tsPreCompilationDeps: true,
    doNotFollow: { path: 'node_modules' },
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'node', 'default', 'types'], extensions: ['.ts', '.js', '.json'] },
  },
};
