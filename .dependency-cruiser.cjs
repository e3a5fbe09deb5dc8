/**
 * Which room may import which (ARCHITECTURE.md, "Rooms"). `npm run check` runs it; so does .ci/run.
 * The parser does not tell type imports from others, so two rules live elsewhere: ports are imported as types
 * only (test/architecture/tidy.test.ts), and no cycle of imports (biome.json, noImportCycles).
 */
const thirdParty = ['npm', 'npm-dev', 'npm-optional', 'npm-peer', 'npm-no-pkg', 'npm-unknown', 'core']

/** Nobody in `from` imports anything of ours outside `to`. */
const onlyOurs = (name, comment, from, to) => ({
  name,
  comment,
  severity: 'error',
  from,
  to: { pathNot: [...to, 'node_modules'], dependencyTypesNot: [...thirdParty, 'unknown'] },
})

/** Nobody in `from` imports packages or Node modules but those of `to`. */
const onlyPackages = (name, comment, from, to) => ({
  name,
  comment,
  severity: 'error',
  from,
  to: { dependencyTypes: thirdParty, pathNot: to },
})

const packages = (...names) => names.map((name) => `(^|node_modules/)${name}(/|$)`)

module.exports = {
  forbidden: [
    onlyOurs('proto-is-a-leaf', 'proto imports nothing of ours', { path: '^proto/' }, ['^proto/']),
    onlyPackages(
      'proto-runtime-only',
      'proto needs the protobuf runtime, and its generator the tools',
      { path: '^proto/', pathNot: '^proto/generate\\.mjs$' },
      packages('protobufjs'),
    ),

    onlyOurs('schemas-import-proto', 'the vocabulary stands on the wire alone', { path: '^schemas/' }, [
      '^schemas/',
      '^proto/',
    ]),
    onlyPackages(
      'schemas-do-no-io',
      'the vocabulary needs zod for the settings, nothing else',
      { path: '^schemas/' },
      packages('zod'),
    ),

    onlyOurs(
      'worker-knows-no-other-worker',
      'a worker stands on the kit, its ports and the vocabulary',
      { path: '^workers/', pathNot: '^workers/main\\.ts$' },
      ['^workers/(kit|ports)/', '^schemas/', '^proto/'],
    ),
    onlyOurs('worker-registry', 'the registry names workers and the kit', { path: '^workers/main\\.ts$' }, [
      '^workers/[^/]+\\.worker\\.ts$',
      '^workers/(kit|ports)/',
      '^schemas/',
    ]),
    onlyPackages(
      'workers-do-no-io',
      'a worker reaches the world through its ports only; digests are no I/O',
      { path: '^workers/' },
      ['^crypto$'],
    ),

    onlyOurs(
      'gateway-knows-no-worker',
      'sockets in, events out: neither workers nor infra',
      { path: '^gateway/' },
      ['^gateway/', '^schemas/', '^proto/'],
    ),
    {
      name: 'gateway-knows-no-database',
      comment: 'the gateway owns client sockets and HTTP; bus, database and cache are behind ports',
      severity: 'error',
      from: { path: '^gateway/' },
      to: { path: packages('pg', 'kafkajs', 'ioredis', 'node-cron', 'pino', 'prom-client') },
    },

    onlyOurs(
      'client-stands-alone',
      'the client library goes where nothing else of ours is',
      { path: '^client/' },
      ['^client/'],
    ),
    onlyPackages(
      'client-needs-no-package',
      'browsers get it without any; in Node sockets, and ws where WebSocket is not built in',
      { path: '^client/' },
      packages('net', 'tls', 'ws'),
    ),
    onlyOurs('chat-knows-the-client', 'the web chat is a page like any other', { path: '^chat/' }, [
      '^chat/',
      '^client/',
    ]),

    onlyOurs(
      'infra-implements-ports',
      'infra knows the ports of gateway, workers and ops, nothing else of theirs',
      { path: '^infra/', pathNot: '^infra/local/' },
      ['^infra/(?!local/)', '^workers/ports/', '^(gateway|ops)/ports\\.ts$', '^schemas/', '^proto/'],
    ),
    {
      name: 'opentelemetry-in-one-place',
      comment: 'who begins a span knows schemas/tracer.ts alone',
      severity: 'error',
      from: { pathNot: '^infra/tracing/(otel|span-queue)\\.ts$|node_modules' },
      to: { path: '(^|node_modules/)@opentelemetry/' },
    },
    {
      name: 'opentelemetry-only-when-on',
      comment: 'it is loaded where a collector is set: by an import() of infra/tracing/tracer.ts',
      severity: 'error',
      from: {},
      to: { path: '^infra/tracing/otel\\.ts$', dependencyTypesNot: ['dynamic-import'] },
    },

    onlyOurs(
      'starter-starts-processes',
      'the local stack starts our processes; it is no part of them',
      { path: '^infra/local/' },
      ['^infra/local/', '^schemas/', '^dist/'],
    ),
    onlyOurs(
      'operators-work-through-ports',
      "the operator's commands reach the world through their ports; ops.ts wires them",
      { path: '^ops/' },
      ['^ops/', '^schemas/', '^proto/'],
    ),
    {
      name: 'only-the-root-wires-infra',
      comment: 'main.ts and compose.ts; the rooms above have stricter rules, this one is for rooms to come',
      severity: 'error',
      from: {
        pathNot: [
          '^(main|compose|setup|wiring|ops)\\.ts$',
          '^(proto|schemas|gateway|workers|infra|ops|test|bench)/',
        ],
      },
      to: { path: '^(infra/|(main|compose|setup|wiring|ops)\\.ts$)' },
    },
    {
      name: 'nobody-imports-test',
      severity: 'error',
      from: { pathNot: ['^test/', '^bench/'] },
      to: { path: '^(test|bench)/' },
    },

    {
      name: 'no-unresolvable',
      severity: 'error',
      from: {},
      to: { couldNotResolve: true, pathNot: '/dist/' },
    },
    {
      name: 'no-undeclared-package',
      comment: 'what is imported stands in package.json',
      severity: 'error',
      from: {},
      to: { dependencyTypes: ['npm-no-pkg', 'npm-unknown'] },
    },
    {
      name: 'no-development-package',
      comment: 'what runs in production is installed there (the local stack is for development)',
      severity: 'error',
      from: {
        path: '^([^/]+\\.ts$|proto/|schemas/|gateway/|workers/|infra/|ops/)',
        pathNot: ['^infra/local/', '^proto/generate\\.mjs$'],
      },
      to: { dependencyTypes: ['npm-dev'], pathNot: 'node_modules/@types/' },
    },
  ],
  options: {
    parser: 'swc',
    tsPreCompilationDeps: true,
    doNotFollow: { path: '(^|/)node_modules/' },
    exclude: { path: '^dist/' },
    enhancedResolveOptions: { extensions: ['.ts', '.js', '.mjs'] },
  },
}
