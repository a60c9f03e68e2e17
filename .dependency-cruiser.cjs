// The rooms of src/ and who may import whom. The table is the architecture: a new wall or door is a change here, with a reason.
// D1: a room imports itself and the rooms listed for it, nothing else of src/; a room that is not in the table is an error.
// D2: pure rooms import no vendor package and no node:* module.
// D3: a vendor package, or any package of a listed scope, is imported only in the rooms listed for it; one that is not listed is an error.
const ROOMS = {
  base: [],
  message: ['base'],
  profile: ['base', 'message', 'record'],
  record: ['base', 'message'],
  aggregate: ['base', 'message', 'record'],
  ports: ['base', 'message', 'profile', 'record', 'aggregate'],
  shard: ['base', 'message', 'profile', 'record', 'aggregate', 'ports'],
  // who owns what: knows nothing of what a shard is
  cluster: ['base', 'ports'],
  definitions: ['base', 'message', 'profile', 'record', 'aggregate'],
  store: ['base', 'message', 'profile', 'record', 'aggregate', 'ports'],
  nats: ['base'],
  stream: ['base', 'message', 'profile', 'record', 'aggregate', 'ports', 'nats'],
  metrics: ['base', 'ports'],
  api: ['base', 'message', 'profile', 'record', 'aggregate', 'ports'],
  explorer: [],
  producer: ['base', 'message', 'nats'],
  // map files are read as definitions are: located YAML, every mistake at once; the producer comes in through a port
  ingest: ['base', 'message', 'definitions'],
  oracle: ['base', 'message', 'definitions'],
  // store: the twin's disk holds the memory store's records, through the product's own codec
  simulation: [
    'base',
    'message',
    'profile',
    'record',
    'aggregate',
    'ports',
    'cluster',
    'shard',
    'definitions',
    'oracle',
    'store',
  ],
  server: ['base'],
  worker: [
    'base',
    'message',
    'profile',
    'record',
    'aggregate',
    'ports',
    'cluster',
    'shard',
    'definitions',
    'store',
    'nats',
    'stream',
    'metrics',
    'api',
    'producer',
  ],
  cli: ['base', 'message', 'record', 'definitions', 'worker', 'producer', 'ingest', 'oracle', 'simulation', 'server'],
};

const PURE = ['base', 'message', 'profile', 'record', 'aggregate', 'ports', 'cluster', 'shard'];

const VENDORS = {
  '@nats-io': ['nats', 'stream', 'api', 'producer'],
  lmdb: ['store'],
  msgpackr: ['store', 'stream', 'producer'],
  xstate: ['worker'],
  'prom-client': ['metrics'],
  fastify: ['api'],
  '@fastify': ['api'],
  'csv-parse': ['ingest'],
  commander: ['cli'],
  zod: ['definitions'],
  yaml: ['definitions'],
  ajv: ['definitions'],
  'ajv-formats': ['definitions'],
  re2js: ['definitions'],
  '@marcbachmann/cel-js': ['definitions'],
  pino: ['worker', 'cli'],
};

const anyOf = (names) => `(${names.join('|')})`;
// An installed package resolves to node_modules/<name>/…, one that is not installed stays <name>.
const vendorPaths = (name) => [`^node_modules/${name}/`, `^${name}(/|$)`];
const KNOWN = `^src/(${Object.keys(ROOMS).join('|')})/|^src/index\\.ts$`;

module.exports = {
  forbidden: [
    ...Object.entries(ROOMS).map(([room, allowed]) => ({
      name: `room-${room}`,
      severity: 'error',
      from: { path: `^src/${room}/` },
      to: { path: '^src/', pathNot: `^src/${anyOf([room, ...allowed])}/` },
    })),
    { name: 'room-unknown', severity: 'error', from: { path: '^src/', pathNot: KNOWN }, to: {} },
    { name: 'room-unknown-target', severity: 'error', from: {}, to: { path: '^src/', pathNot: KNOWN } },
    { name: 'pure-rooms-import-nothing', severity: 'error', from: { path: `^src/${anyOf(PURE)}/` }, to: { pathNot: '^src/' } },
    ...Object.entries(VENDORS).map(([name, rooms]) => ({
      name: `vendor-${name}`,
      severity: 'error',
      from: { path: '^src/', pathNot: `^src/${anyOf(rooms)}/` },
      to: { path: vendorPaths(name) },
    })),
    {
      name: 'vendor-unlisted',
      severity: 'error',
      from: { path: '^src/' },
      to: {
        couldNotResolve: false,
        pathNot: ['^(src|test|bench)/', ...Object.keys(VENDORS).flatMap(vendorPaths)],
        dependencyTypesNot: ['core'],
      },
    },
    { name: 'no-circular', severity: 'error', from: {}, to: { circular: true } },
    { name: 'no-unresolvable', severity: 'error', from: {}, to: { couldNotResolve: true } },
    { name: 'src-not-to-test', severity: 'error', from: { path: '^src/' }, to: { path: '^(test|bench)/' } },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: {
      extensions: ['.ts', '.js'],
      exportsFields: ['exports'],
      conditionNames: ['import', 'node', 'default', 'types'],
    },
  },
};
