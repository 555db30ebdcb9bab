// Who may import whom (docs/ARCHITECTURE.md). A file's role is the word before .ts: `runs.service.ts` is a service;
// a file without one is pure. test/architecture proves that each rule catches a planted violation.

const MODULE = '^src/modules/([^/]+)/'
const ROLES =
  'controller|service|job|dispatcher|subscriber|repository|entity|read-model|module|guard|strategy|schemas|events|errors|model|worker|tool'
const ROLE = (roles) => `\\.(${roles})\\.ts$`
const SQL_ROLES = 'repository|entity|read-model'
/** Roleless files that are wiring or adapters, not rules: each stands for one named class or is a module's index. */
const ADAPTERS =
  '(index|agent-directory|model-registry|model-client|model-fetch|model-providers|model-result|token-counter|provider-failure|price-catalogue|password-hasher|access-tokens|verified-tokens|model-call|sentence-ranker|prompt-text|run-metrics)\\.ts$'

export default {
  forbidden: [
    {
      name: 'no-cycles',
      severity: 'error',
      from: {},
      to: { circular: true },
    },
    {
      name: 'kernel-imports-only-node',
      severity: 'error',
      from: { path: '^src/kernel/', pathNot: '\\.spec\\.ts$' },
      to: { pathNot: '^src/kernel/', dependencyTypesNot: ['core'] },
    },
    {
      name: 'platform-knows-no-module',
      severity: 'error',
      from: { path: '^src/platform/' },
      to: { path: '^src/(modules|app\\.module|server|main|account)' },
    },
    {
      name: 'modules-meet-at-their-index',
      severity: 'error',
      from: { path: MODULE },
      to: { path: '^src/modules/([^/]+)/.+', pathNot: ['^src/modules/$1/', '^src/modules/[^/]+/index\\.ts$'] },
    },
    {
      name: 'module-arrows',
      comment:
        'scheduler → runs → {agents, approvals, knowledge, models, costs, projects}; nobody imports webhooks, audit, metrics or health',
      severity: 'error',
      from: { path: '^src/modules/(agents|approvals|models|costs|projects|auth|tools)/' },
      to: { path: '^src/modules/(runs|scheduler|webhooks|audit|metrics|health)/' },
    },
    {
      name: 'nobody-imports-listeners',
      severity: 'error',
      from: { path: MODULE },
      to: { path: '^src/modules/(webhooks|audit|metrics|health)/', pathNot: '^src/modules/$1/' },
    },
    {
      name: 'only-repositories-name-typeorm',
      severity: 'error',
      from: { path: '^src/', pathNot: [ROLE(SQL_ROLES), '^src/platform/database/'] },
      to: { path: 'node_modules/(typeorm|pg)/' },
    },
    {
      name: 'controllers-stay-at-the-edge',
      severity: 'error',
      from: { path: `^src/modules/.*${ROLE('controller')}` },
      to: {
        path: '^src/',
        pathNot: [
          '\\.(service|schemas)\\.ts$',
          '^src/platform/(http|config)/',
          '^src/modules/auth/index\\.ts$',
          ADAPTERS,
          '^src/modules/agents/agent-definition\\.ts$',
        ],
      },
    },
    {
      name: 'nobody-imports-controllers',
      severity: 'error',
      from: { path: '^src/', pathNot: ROLE('module') },
      to: { path: ROLE('controller') },
    },
    {
      name: 'repositories-stand-on-the-database',
      severity: 'error',
      from: { path: `${MODULE}.*${ROLE(SQL_ROLES)}` },
      to: {
        path: '^src/',
        pathNot: [
          '^src/kernel/',
          '^src/platform/database/',
          '^src/platform/http/principal\\.ts$',
          ROLE(`${SQL_ROLES}|schemas`),
          // Its own module's files without a role.
          '^src/modules/$1/[a-z0-9/-]+\\.ts$',
        ],
      },
    },
    {
      name: 'pure-files-stay-pure',
      severity: 'error',
      from: { path: '^src/modules/', pathNot: [ROLE(ROLES), '\\.spec\\.ts$', ADAPTERS] },
      to: {
        pathNot: [
          '^src/kernel/',
          '^src/modules/',
          // Libraries that reckon, and touch nothing.
          'node_modules/(zod|canonicalize|croner|temporal-polyfill|tiny-lru)/',
          '^src/platform/(http/principal|http/page|events/domain-event|time/time-zone)\\.ts$',
        ],
        dependencyTypesNot: ['core', 'type-only'],
      },
    },
    {
      name: 'pure-files-import-no-role',
      severity: 'error',
      from: { path: '^src/modules/', pathNot: [ROLE(ROLES), '\\.spec\\.ts$', ADAPTERS] },
      to: {
        path: ROLE('controller|service|job|repository|module|guard|strategy|subscriber'),
        dependencyTypesNot: ['type-only'],
      },
    },
  ],
  options: {
    tsConfig: { fileName: 'tsconfig.json' },
    tsPreCompilationDeps: 'specify',
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '\\.spec\\.ts$' },
    enhancedResolveOptions: { conditionNames: ['types', 'import', 'node', 'default'], exportsFields: ['exports'] },
  },
}
