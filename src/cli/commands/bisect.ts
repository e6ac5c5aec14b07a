import { resolve } from 'node:path';
import { plainText } from '../../model/text/plain-text.js';
import { checkStore, storesDeclared } from '../../replay/answers/past-store.js';
import { bisect, compare, type Disagreement, type Moment, smallestSlice } from '../../replay/index.js';
import { policiesOfPast } from '../../replay/past/past-policies.js';
import { loadTopology, originOf } from '../load/load-topology.js';
import { parsePredicate } from '../load/predicate.js';
import { exportSchemas } from '../past/export-schemas.js';
import { exportTest } from '../past/export-test.js';
import { FieldWatch } from '../past/field-watch.js';
import { KeyForms } from '../past/key-forms.js';
import { type LookBack, type LookBackOptions, lookBack, pastSerdes } from '../past/past.js';
import {
  formatOption,
  KEY_HELP,
  type OutputFormat,
  pastMoment,
  WINDOWS_HELP,
  withPastOptions,
} from '../past/past-options.js';
import { changeText, eventText, traceText } from '../past/show-past.js';
import { parseLookupKey } from '../past/store-key.js';
import { type Io, write } from '../terminal/io.js';
import type { Program } from '../terminal/program.js';
import { toJson } from '../terminal/show.js';
import { usage } from '../terminal/usage.js';

interface Options extends LookBackOptions {
  readonly store?: string | undefined;
  readonly key?: string | undefined;
  readonly when?: string | undefined;
  readonly monotone?: true | undefined;
  readonly exportTest?: string | undefined;
  readonly compare?: string | undefined;
  readonly until?: Moment | undefined;
  readonly format: OutputFormat;
}

const EXAMPLES = `${KEY_HELP}

The predicate is tested after each write of a row of the store, in the order of the events. It is an expression
of key, value (null: the row was deleted), before (null: there was no row) and timestamp; or a file with a function
of an object with these fields as its default export. With --key and snapshots, parts of the history in which that
row did not change are skipped. --monotone is for predicates that stay true: snapshots are then tested first.
${WINDOWS_HELP}

--compare runs two versions side by side. It stops at the first event for which they would write different records,
or change rows in different ways. The exit code is then 1, as it is if --when never holds.

Examples:
  $ millrace bisect topology.ts --store balances --when 'value.total < 0'
  $ millrace bisect topology.ts --store balances --key alice --when ./overdrawn.ts
  $ millrace bisect topology.ts --store balances --when 'value.total < 0' --export-test overdrawn.test.ts
  $ millrace bisect topology.ts --compare refactored.ts`;

/** `millrace bisect FILE`: finds the first event that causes a condition. */
export function addBisect(program: Program): void {
  withPastOptions(
    program.parent
      .command('bisect')
      .description(
        'find the first event after which a condition holds for a row, or two versions of a topology disagree',
      )
      .argument('<file>', 'the file that exports the topology')
      .option('--store <name>', 'the store')
      .option('--key <key>', 'test this row only (default: all rows)')
      .option('--when <expression|file>', "the condition, for example 'value.total < 0'")
      .option('--monotone', 'the condition stays true once it is true')
      .option('--export-test <file>', 'write a mocha test that reproduces it with as few events as possible')
      .option('--compare <file>', 'the other version of the topology')
      .option('--until <moment>', 'look up to this moment (default: latest)', pastMoment('--until'))
      .addOption(formatOption()),
  )
    .addHelpText('after', EXAMPLES)
    .action((file, options) => program.act((io) => find(file, options, io)));
}

function find(file: string, options: Options, io: Io): Promise<number> {
  const { store, when, compare: other } = options;
  if (other !== undefined) {
    for (const name of ['store', 'key', 'when', 'monotone', 'exportTest', 'snapshotEvery'] as const)
      if (options[name] !== undefined)
        throw usage('cannot use --compare with options that test a row', `--compare and --${name}`, '--compare alone');
    return lookBack(file, options, io, (look) => compareWith(other, options, look, io));
  }
  if (store === undefined || when === undefined)
    throw usage('cannot tell what to look for', 'no --store or no --when', '--store and --when, or --compare');
  return lookBack(file, options, io, (look) => findFirst({ store, when }, options, look, io));
}

async function findFirst(
  { store, when: text }: { readonly store: string; readonly when: string },
  options: Options,
  look: LookBack,
  io: Io,
): Promise<number> {
  const { topology, past, say } = look;
  const { until, monotone = false, format } = options;
  checkStore(topology, store);
  const spec = storesDeclared(await pastSerdes(topology, past).declare(topology)).find(({ name }) => name === store);
  const key = options.key === undefined ? undefined : spec && parseLookupKey(spec, options.key);
  const predicate = await parsePredicate(text, io.cwd);
  const asked = { ...past, store, key, when: predicate.when, monotone, ...(until && { until }) };
  const fields = new FieldWatch(predicate);
  const found = await bisect(topology, { ...asked, when: fields.around(predicate.when) }).finally(() => {
    for (const warning of fields.warnings(`store ${store}`)) say(`warning: ${warning}`);
  });
  if (!found) {
    say(`it never holds: ${plainText(text)}`);
    return 1;
  }
  const forms = await KeyForms.of(topology, past);
  const [change, trace] = [forms.change(found.change), forms.trace(found.trace)];
  const shown =
    format === 'json'
      ? `${toJson({ change, trace })}\n`
      : `The first event after which it holds: ${plainText(text)}\n\n${changeText(change)}\n\nIts way:\n${traceText(trace)}\n`;
  await write(io.stdout, shown);
  if (options.exportTest === undefined) return 0;
  const { snapshots: _, ...plain } = asked;
  const slice = await smallestSlice(topology, plain, found.change);
  const target = resolve(io.cwd, options.exportTest);
  const { applicationId, broker } = past;
  const onError = await policiesOfPast(broker, applicationId ?? topology.name, past);
  await exportTest({
    file: target,
    topology,
    origin: originOf(topology),
    options: {
      ...(applicationId !== undefined && { applicationId }),
      ...(Object.keys(onError).length > 0 && { onError }),
    },
    predicate,
    change: found.change,
    ...(await exportSchemas(topology, slice, pastSerdes(topology, past).schemaRegistry)),
  });
  say(`wrote ${options.exportTest}: ${slice.records.length} of ${found.change.records} events`);
  return 0;
}

async function compareWith(file: string, options: Options, { topology, past, say }: LookBack, io: Io): Promise<number> {
  const { until, format } = options;
  const other = await loadTopology(file, io.cwd);
  const { snapshots: _, ...plain } = past;
  const found = await compare(topology, other, { ...plain, ...(until && { until }) });
  if (!found) {
    say('they do the same');
    return 0;
  }
  const shown = (await KeyForms.of(topology, past)).disagreement(found);
  await write(io.stdout, format === 'json' ? `${toJson(shown)}\n` : disagreementText(shown));
  return 1;
}

function disagreementText({ event, records, outputs, rows }: Disagreement): string {
  const lines = [
    'The first event at which they disagree:',
    '',
    `event    ${eventText(event)}, record ${records} of the history`,
    `key      ${toJson(event.key)}`,
    `value    ${toJson(event.value)}`,
  ];
  const unchanged = (value: unknown): string => (value === undefined ? 'unchanged' : toJson(value));
  for (const { store, key, first, second } of rows)
    lines.push('', `row      ${store} ${toJson(key)}`, `first    ${unchanged(first)}`, `second   ${unchanged(second)}`);
  for (const side of ['first', 'second'] as const) {
    if (!outputs) break;
    lines.push('', `written by the ${side}:`);
    for (const { topic, partition, key, value } of outputs[side])
      lines.push(`  ${topic}[${partition}]  ${toJson(key)} = ${toJson(value)}`);
    if (outputs[side].length === 0) lines.push('  nothing');
  }
  return `${lines.join('\n')}\n`;
}
