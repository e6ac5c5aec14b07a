// Who may import whom: the table of folders, as rules with reasons. Run by scripts/check-imports.mjs, which also
// checks that the cruiser saw every file (with an API of TypeScript that it does not know it sees none, and passes).

/** Folder of src → what it may import of the other folders, and why not more. */
const FOLDERS = {
  model: { may: [], why: 'The words of the domain stand on nothing, so that everything can speak them.' },
  files: { may: [], why: 'How files are written safely is the same for state, schemas and tools.' },
  net: { may: ['model'], why: 'How connections are encrypted is the same for brokers and schema registries.' },
  serdes: { may: ['model', 'net', 'files'], why: 'Bytes and values know nothing of stores, brokers or topologies.' },
  graph: {
    may: ['model'],
    why: 'The graph is frozen data that engine, describe and replay read: it cannot depend on any of them.',
  },
  state: {
    may: ['model', 'files', 'serdes'],
    why: 'Stores are used by the engine and do not know it, nor who declared them.',
  },
  dsl: {
    may: ['model', 'serdes', 'graph', 'state'],
    why: 'What users type makes data. If it knew the runtime or a broker, there would be two ways to interpret a topology.',
  },
  broker: { may: ['model', 'net'], why: 'An adapter moves bytes; keys, values, stores and tasks are above it.' },
  runtime: {
    may: ['model', 'files', 'net', 'serdes', 'graph', 'state', 'broker', 'dsl'],
    why: 'The engine runs a graph against a port. Tools, drivers and the command line use it, not the other way round.',
  },
  testing: {
    may: ['model', 'serdes', 'graph', 'state', 'dsl', 'broker', 'runtime'],
    why: 'The driver runs the real tasks; it needs no tools and no command line.',
  },
  replay: {
    may: ['model', 'files', 'serdes', 'graph', 'state', 'dsl', 'broker', 'runtime'],
    why: 'The tools for the past are the same engine with another reader and other sinks.',
  },
  letters: {
    may: ['model', 'graph', 'dsl', 'broker', 'runtime'],
    why: 'Letters are read from topics, and settled in one. The graph says where they go again. Nothing is run.',
  },
  cli: {
    may: ['model', 'files', 'serdes', 'graph', 'state', 'dsl', 'broker', 'runtime', 'testing', 'replay', 'letters'],
    why: 'The command line may use everything, but not the public door: that is for users.',
  },
};

/**
 * The wings of the large folders: wing → what it may import of its folder (other wings, or files beside them), and
 * why not more. The files in the folder itself are its door: they may import every wing.
 */
const WINGS = {
  dsl: {
    windows: { may: [], why: 'A window is a description that users make before there is any node.' },
    contract: {
      may: ['windows'],
      why: 'What the engine knows of a topology. Everything here is built on it, so it knows nothing of that.',
    },
    common: { may: ['contract'], why: 'What several operators share: bytes of rows, ids, folds. It declares nothing.' },
    pipelines: {
      may: ['windows', 'contract', 'common'],
      why: 'Where records enter and leave RxJS. It follows any operators, so it cannot know which there are.',
    },
    declare: {
      may: ['windows', 'contract', 'common', 'pipelines'],
      why: 'Pipelines become nodes of a graph here. An operator declares itself; this wing never asks for one.',
    },
    buffers: {
      may: ['contract', 'common', 'pipelines'],
      why: 'Rows that wait until they are due. What waits, and why, is the business of the operators above.',
    },
    clock: {
      may: ['contract', 'common', 'buffers'],
      why: 'What the wall clock does is noted, and then read: one way for timers, idle windows and gaps.',
    },
    calls: {
      may: ['contract', 'common', 'declare'],
      why: 'Calls to the outside: what waits, which begins next, how it ended. Operators say what is passed on.',
    },
    reorder: {
      may: ['contract', 'common', 'clock'],
      why: 'The queue of an entity and its gaps, for reorderByVersion only.',
    },
    folds: {
      may: ['windows', 'contract', 'common', 'declare', 'buffers', 'clock'],
      why: 'One aggregate for each key, or for each key and window. Operators choose a fold; a fold knows none of them.',
    },
    tables: {
      may: ['contract', 'common', 'pipelines', 'declare', 'buffers'],
      why: 'Rows of tables, and joins that look them up by key.',
    },
    'foreign-keys': {
      may: ['contract', 'common', 'declare', 'tables'],
      why: 'A join by foreign key is two tables and the messages between them.',
    },
    'stream-join': {
      may: ['contract', 'common', 'buffers'],
      why: 'A join of streams keeps records, not rows: it needs no tables.',
    },
    process: {
      may: ['contract', 'common', 'declare', 'clock', 'tables'],
      why: 'The context of process, its stores and timers.',
    },
    operators: {
      may: [
        'windows',
        'contract',
        'common',
        'pipelines',
        'declare',
        'buffers',
        'clock',
        'process',
        'calls',
        'reorder',
        'folds',
        'tables',
        'foreign-keys',
        'stream-join',
      ],
      why: 'One file for each operator that users call. What two of them share lies in a wing below.',
    },
  },
  replay: {
    slice: { may: [], why: 'Which records of the past: moments, offsets, one order. It runs nothing.' },
    rerun: {
      may: [],
      why: 'The engine on records that it is handed. Where they come from is the choice of the caller.',
    },
    snapshots: {
      may: ['slice', 'rerun'],
      why: 'The state of a rerun, kept on disk, to begin in the middle of the past.',
    },
    past: {
      may: ['slice', 'rerun', 'snapshots'],
      why: 'The past of one application, opened: the one way by which every question reaches it.',
    },
    answers: {
      may: ['slice', 'rerun', 'snapshots', 'past'],
      why: 'One file for each question about the past. They read, and change nothing of the application.',
    },
    verify: {
      may: ['rerun', 'past'],
      why: 'Two runs of the same past, compared. It needs no snapshots: it runs everything.',
    },
    repair: {
      may: ['slice', 'rerun', 'past'],
      why: 'Offsets that go back, stores that are made again: the only tools that change a live application.',
    },
    versions: {
      may: ['slice', 'repair'],
      why: 'A new version beside the live one, until one of them goes. It runs in the present and needs no past.',
    },
  },
  runtime: {
    config: {
      may: [],
      why: 'What users choose, and the small tools that every wing needs. It knows no part of the engine.',
    },
    topics: { may: ['config'], why: 'What the broker must have, and the tasks that follow from it.' },
    record: {
      may: [],
      why: 'Where a record is while it passes through a task. Everything else asks this one context.',
    },
    changelog: { may: ['config'], why: 'The format of changelog records, and who wrote them.' },
    inputs: {
      may: ['config', 'record'],
      why: 'What does not come from the sources: it is noted, written by a commit, and read back as a record.',
    },
    group: { may: ['config', 'topics'], why: 'Which member has which task. It opens none.' },
    offsets: {
      may: ['config', 'topics', 'group', 'changelog'],
      why: 'What committed offsets mean, and what it means that they are gone. It reads and judges, and processes nothing.',
    },
    align: { may: ['config', 'topics', 'offsets'], why: 'How far tasks are in time. It knows offsets, not records.' },
    poll: {
      may: ['config', 'topics', 'inputs', 'align'],
      why: 'Step 1, in: from the broker to decoded records in one order.',
    },
    send: {
      may: ['config', 'topics', 'offsets', 'align', 'record', 'inputs', 'poll'],
      why: 'Step 3, out: encoded records, calls and dead letters. Operators and stages are below in the flow, not in imports.',
    },
    batch: {
      may: ['config', 'topics', 'inputs', 'record', 'poll', 'redrive', 'send'],
      why: 'Step 2, through: pipelines and stages. It returns what is to be sent, and commits nothing.',
    },
    restore: {
      may: ['config', 'topics', 'offsets', 'align', 'changelog', 'poll', 'send'],
      why: 'From the broker to a task that is ready: where it begins, and its stores from their changelogs.',
    },
    commit: {
      may: ['config', 'topics', 'offsets', 'changelog', 'record', 'inputs', 'send', 'batch', 'restore'],
      why: 'Step 4, kept: what a batch has changed, in the order that survives a crash.',
    },
    globals: { may: ['config', 'topics', 'poll', 'send'], why: 'Global tables belong to the process, not to a task.' },
    ledger: {
      may: ['config', 'topics', 'poll'],
      why: 'What was done with an application, beside it. Any tool may write to it, and no step of a batch needs it.',
    },
    redrive: {
      may: ['config', 'topics', 'inputs', 'ledger', 'record', 'poll'],
      why: 'Letters that come again, through an internal input. What processes them does not know that it is again.',
    },
    task: {
      may: ['config', 'topics', 'align', 'inputs', 'poll', 'redrive', 'send', 'batch', 'restore', 'commit', 'globals'],
      why: 'One sub-topology on one partition puts the four steps together. It does not know who runs it.',
    },
    control: {
      may: ['engine'],
      why: 'How other processes look into an application. They read databases and progress, and no task.',
    },
    engine: {
      may: ['config', 'topics', 'group', 'offsets', 'align', 'poll', 'globals', 'redrive', 'task'],
      why: 'One process of an application: it opens and closes tasks, and looks into none of them.',
    },
  },
  state: {
    database: { may: [], why: 'Ordered bytes on disk or in memory. What they mean is known above.' },
    directory: { may: ['layout', 'database'], why: 'Whose directory it is, and up to where its stores have read.' },
    rows: { may: ['contract', 'layout'], why: 'How a row is written. It reads no database.' },
    cache: { may: ['contract', 'layout', 'rows'], why: 'Rows in memory, over those on disk.' },
    absent: { may: ['layout'], why: 'How a missing key is known without a look at the disk.' },
    store: {
      may: ['contract', 'layout', 'directory', 'rows', 'cache', 'absent'],
      why: 'The stores of a task, put together from the layers below.',
    },
    global: {
      may: ['contract', 'layout', 'directory', 'rows', 'cache', 'store'],
      why: 'The stores of global tables: one for a process, without a changelog of their own.',
    },
    rebuild: {
      may: ['contract', 'layout', 'directory', 'rows', 'store'],
      why: 'Two stores compared, and one put in the place of the other.',
    },
  },
  'broker/kafkajs': {
    wire: { may: [], why: 'Requests, answers and errors as bytes. It opens no connection.' },
    login: { may: ['wire'], why: 'What users configure, and how they prove who they are.' },
    connection: {
      may: ['wire', 'login'],
      why: 'One client over the connections of kafkajs, with what is corrected about them.',
    },
    reading: { may: ['wire', 'connection'], why: 'Records in. It knows no group and no writer.' },
    group: { may: ['wire', 'connection'], why: 'Membership and committed offsets.' },
    writing: {
      may: ['wire', 'login', 'connection', 'group'],
      why: 'Records out; a transaction commits offsets of a group.',
    },
    admin: { may: ['wire', 'connection'], why: 'Topics and groups, looked at and changed.' },
  },
  cli: {
    terminal: { may: [], why: 'Streams, signals, tables and exit codes. It knows nothing of topologies.' },
    new: { may: ['terminal'], why: 'A project is files: it needs no topology.' },
    load: { may: ['terminal'], why: "From a user's file to a topology that is checked." },
    versions: { may: ['terminal'], why: 'Texts of reset, rebuild and promote.' },
    records: { may: ['terminal', 'load'], why: 'Lines of text to records, and back.' },
    options: { may: ['terminal', 'load', 'records'], why: 'Options that several commands share, checked once.' },
    schemas: { may: ['terminal', 'load', 'options'], why: 'Files of schemas against a registry.' },
    config: { may: ['terminal', 'load'], why: 'Which options count: the command line, the environment, or a file.' },
    run: { may: ['terminal', 'load', 'records', 'options'], why: 'A running application, and what it shows.' },
    past: {
      may: ['terminal', 'load', 'records', 'options'],
      why: 'How the past is opened and shown, for all commands that look back.',
    },
    letters: {
      may: ['terminal', 'load', 'records', 'options', 'past'],
      why: 'How dead letters are opened, chosen and shown. Their keys and moments are those of the past.',
    },
    commands: {
      may: ['terminal', 'new', 'load', 'config', 'versions', 'records', 'options', 'schemas', 'run', 'past', 'letters'],
      why: 'One file for each command. Commands do not import each other, except a command its own parts.',
    },
  },
};

/** Outside library → the one place that imports it, and why. A library in no row may not be imported by src at all. */
const LIBRARIES = {
  '@types/node': {
    only: 'src/(serdes/serde|net/tls|broker/port/records)\\.ts$',
    why: 'They ask for it, since every declaration with bytes imports one of them: since TypeScript 6 nothing else does.',
  },
  'rocksdb-native': {
    only: 'src/state/database/rocksdb\\.ts$',
    why: 'One file and one contract make a native module replaceable: it was, once.',
  },
  'sorted-btree': {
    only: 'src/state/database/memory\\.ts$',
    why: 'The ordered map is an implementation of the store contract, nothing else.',
  },
  '@node-rs/crc32': {
    only: 'src/(broker/record-batch|state/database)/checksum\\.ts$',
    why: 'The checksum of two formats: of record batches, and of the logs of RocksDB.',
  },
  kafkajs: { only: 'src/broker/kafkajs/', why: 'It is unmaintained: one adapter holds all that is worked around.' },
  snappyjs: { only: 'src/broker/compression/snappy\\.ts$', why: 'An optional package: loaded when a batch needs it.' },
  'lz4-napi': { only: 'src/broker/compression/lz4\\.ts$', why: 'An optional package: loaded when a batch needs it.' },
  '@bokuweb/zstd-wasm': {
    only: 'src/broker/compression/zstd\\.ts$',
    why: 'An optional package: loaded when a batch needs it, and not at all where Node can do it.',
  },
  avsc: {
    only: 'src/serdes/avro/codec/',
    why: 'What it does not check (lengths that are no lengths, names that are no names) is checked around it, in one place.',
  },
  rxjs: {
    only: 'src/(dsl|runtime|testing)/',
    why: 'Pipelines are declared in dsl, run in runtime, driven in testing; everything else works on plain data.',
  },
  '@standard-schema/spec': { only: 'src/serdes/', why: 'Values are validated where they are decoded and encoded.' },
  commander: { only: 'src/cli/', why: 'Arguments are parsed at the edge.' },
  '@commander-js/extra-typings': { only: 'src/cli/', why: 'Arguments are parsed at the edge.' },
  'cli-table3': { only: 'src/cli/', why: 'Tables are printed by the command line only.' },
  pino: { only: 'src/cli/', why: 'The library logs to a port; the command line chooses the logger.' },
  tsx: { only: 'src/cli/', why: 'Only the command line loads the TypeScript files of users.' },
};

/** The library as the resolver names it: with or without its types, also when it is not installed. */
const library = (name) => `(^|/)(node_modules/)?(@types/)?${name.replace(/[.]/g, '\\.')}(/|$)`;
const folders = Object.keys(FOLDERS);

module.exports = {
  forbidden: [
    ...folders.map((folder) => ({
      name: `${folder}-imports-what-its-row-says`,
      comment: `src/${folder} may import ${FOLDERS[folder].may.join(', ') || 'nothing'}. ${FOLDERS[folder].why}`,
      severity: 'error',
      from: { path: `^src/${folder}/` },
      to: { path: '^src/', pathNot: `^src/(${[folder, ...FOLDERS[folder].may].join('|')})/` },
    })),
    ...Object.entries(WINGS).flatMap(([folder, wings]) =>
      Object.entries(wings).map(([wing, { may, why }]) => ({
        name: `${folder}-${wing}-imports-what-its-row-says`,
        comment: `src/${folder}/${wing} may import ${may.join(', ') || 'no other wing'} of ${folder}. ${why}`,
        severity: 'error',
        from: { path: `^src/${folder}/${wing}/` },
        to: { path: `^src/${folder}/`, pathNot: `^src/${folder}/(${[wing, ...may].join('|')})(/|\\.ts$)` },
      })),
    ),
    ...Object.entries(WINGS).map(([folder, wings]) => ({
      name: `${folder}-has-no-wing-without-row`,
      comment: `A new folder in src/${folder} needs a row in WINGS: say what it may import, and why.`,
      severity: 'error',
      from: {},
      to: { path: `^src/${folder}/[^/]+/`, pathNot: `^src/${folder}/(${Object.keys(wings).join('|')})/` },
    })),
    {
      name: 'model-stands-on-nothing',
      comment: 'No library and no module of Node either: the words of the domain can be loaded anywhere.',
      severity: 'error',
      from: { path: '^src/model/' },
      to: { pathNot: '^src/' },
    },
    {
      name: 'folder-without-row',
      comment: 'A new folder of src needs a row in FOLDERS (and in the design): say what it may import, and why.',
      severity: 'error',
      from: {},
      to: { path: '^src/[^/]+/', pathNot: `^src/(${folders.join('|')})/` },
    },
    {
      name: 'state-knows-types-of-serdes-only',
      comment: 'A store is given its serdes. If it chose one itself, the bytes on disk would depend on two places.',
      severity: 'error',
      from: { path: '^src/state/' },
      to: { path: '^src/serdes/', dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'dsl-knows-the-store-contract-only',
      comment:
        'Operators are written against the contract of stores. Which layers and which database are behind it is the choice of the runtime.',
      severity: 'error',
      from: { path: '^src/dsl/' },
      to: { path: '^src/state/', pathNot: '^src/state/contract\\.ts$' },
    },
    {
      name: 'runtime-knows-the-processor-contract-only',
      comment:
        'The engine runs what the contract describes. If it knew operators, a new one would need changes in two places.',
      severity: 'error',
      from: { path: '^src/runtime/' },
      to: { path: '^src/dsl/', pathNot: '^src/dsl/contract/' },
    },
    {
      name: 'runtime-knows-the-broker-port-only',
      comment:
        'The engine runs against the four contracts. The adapter is passed in at the edge; open-broker.ts is that edge, for services and the command line alike.',
      severity: 'error',
      from: { path: '^src/runtime/', pathNot: '^src/runtime/open-broker\\.ts$' },
      to: { path: '^src/broker/', pathNot: '^src/broker/port\\.ts$' },
    },
    {
      name: 'adapters-do-not-know-each-other',
      comment: 'Each adapter can be replaced alone. What two of them share stands beside them, in a folder of its own.',
      severity: 'error',
      from: { path: '^src/broker/(kafkajs|embedded|memory)/' },
      to: { path: '^src/broker/(kafkajs|embedded|memory)/', pathNot: '^src/broker/$1/' },
    },
    {
      name: 'nobody-imports-the-command-line',
      comment: 'What is worth using elsewhere does not belong into cli.',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/cli/' },
      to: { path: '^src/cli/' },
    },
    {
      name: 'the-public-door-is-not-imported',
      comment:
        'index.ts is the list of public names. Inside, import the file that owns the name: everything else becomes a cycle.',
      severity: 'error',
      from: { path: '^src/' },
      to: { path: '^src/(index|testing/index|serdes/avro/index|broker/kafkajs/index|dsl/index)\\.ts$' },
    },
    {
      name: 'the-public-door-needs-no-tools',
      comment: '`import "millrace"` in a service loads neither the test driver nor the command line.',
      severity: 'error',
      from: { path: '^src/index\\.ts$' },
      to: { path: '^src/(testing|cli)/' },
    },
    ...Object.entries(LIBRARIES).map(([name, { only, why }]) => ({
      name: `${name.replace(/^@/, '').replace(/[^a-z0-9]+/g, '-')}-has-one-importer`,
      comment: `${name} is imported under ${only.replaceAll('\\', '').replace('$', '')} only. ${why}`,
      severity: 'error',
      from: { path: '^src/', pathNot: `^${only}` },
      // Our own folder may have the library's name, as an adapter has.
      to: { path: library(name), pathNot: '^src/' },
    })),
    {
      name: 'library-without-row',
      comment: 'A library that src imports needs a row in LIBRARIES: name its one importing file, and why.',
      severity: 'error',
      from: { path: '^src/' },
      to: {
        dependencyTypes: [
          'npm',
          'npm-dev',
          'npm-optional',
          'npm-peer',
          'npm-bundled',
          'npm-no-pkg',
          'npm-unknown',
          'unknown',
        ],
        pathNot: [...Object.keys(LIBRARIES).map(library), '^(dist/|#src/|src/|\\.{1,2}/(?!.*node_modules))'],
      },
    },
    {
      name: 'not-for-users-but-needed-by-src',
      comment:
        'What src imports at run time must be in dependencies or peerDependencies: a devDependency is not there when users install the package.',
      severity: 'error',
      from: { path: '^src/' },
      to: { dependencyTypes: ['npm-dev', 'npm-no-pkg'], dependencyTypesNot: ['type-only', 'npm', 'npm-peer'] },
    },
    {
      name: 'sources-are-imported-by-path',
      comment:
        'The alias #src/ (and the name millrace) lead to dist/: they are for tests and benchmarks. Sources import each other relatively.',
      severity: 'error',
      from: { path: '^(src|scripts)/' },
      to: { path: '^(dist/|#src/)' },
    },
    {
      name: 'src-does-not-know-its-tests',
      comment: 'What is published cannot need what is not.',
      severity: 'error',
      from: { path: '^src/' },
      to: { path: '^(test|bench|topology-examples|templates|scripts|build)/' },
    },
    {
      name: 'tests-use-the-compiled-code',
      comment:
        'Tests import #src/ or millrace, that is dist/: a relative path into src would compile and load a second copy.',
      severity: 'error',
      from: { path: '^(test|bench|topology-examples|templates)/' },
      to: { path: '^(src|build)/' },
    },
    {
      name: 'examples-do-what-users-can-do',
      comment:
        'An example, or a template of a project, imports millrace and its other doors, rxjs, modules of Node and its own files: it must run for who copies it.',
      severity: 'error',
      // A plain JavaScript program that loads its topology as TypeScript needs tsx for it, as the command line does.
      from: { path: '^(?:topology-examples|templates)/([^/]+)/', pathNot: 'main\\.mjs$' },
      to: {
        pathNot: [
          '^(topology-examples|templates)/$1/',
          '^test/support/project\\.ts$',
          '^dist/((testing|replay|letters|serdes/avro|broker/kafkajs|dsl)/)?index\\.(js|d\\.ts)$',
          library('rxjs'),
        ],
        dependencyTypesNot: ['core'],
      },
    },
    {
      name: 'no-cycle',
      comment:
        'Files in a cycle can only be understood together. Imports of types count: they hide where the knowledge is.',
      severity: 'error',
      from: {},
      to: { circular: true },
    },
    {
      name: 'no-orphan',
      comment: 'Nothing imports this file and it imports nothing: it was forgotten.',
      severity: 'error',
      from: {
        orphan: true,
        pathNot: [
          '\\.d\\.ts$',
          '\\.test\\.ts$',
          '^(src/index|src/cli/bin|bench/main)\\.ts$',
          '^(topology-examples|templates)/',
          '^test/fixtures/',
        ],
      },
      to: {},
    },
    {
      name: 'resolvable',
      comment: 'The import leads nowhere: a file is missing, or dist/ is not built.',
      severity: 'error',
      from: { path: '^(src|test|bench|topology-examples|templates)/' },
      // Optional codecs and clients need not be installed; the type checker knows whether they are declared.
      to: { couldNotResolve: true, pathNot: '^kafkajs$' },
    },
  ],
  options: {
    tsConfig: { fileName: 'src/tsconfig.json' },
    tsPreCompilationDeps: true,
    doNotFollow: { path: '^(node_modules|dist|build)/' },
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'default'] },
  },
};
