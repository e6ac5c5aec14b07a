import { Option } from '@commander-js/extra-typings';
import Table from 'cli-table3';
import type { StoreOnDisk } from '../../../replay/index.js';
import { type StateSelection, withStores } from '../../past/open-state.js';
import { withStateOptions } from '../../past/past-options.js';
import { type Io, write } from '../../terminal/io.js';
import type { Program } from '../../terminal/program.js';

const FORMATS = ['table', 'json'] as const;

interface Options extends StateSelection {
  readonly count?: true | undefined;
  readonly format: (typeof FORMATS)[number];
}

interface StoreRow {
  readonly store: string;
  readonly kind: string;
  readonly key: string;
  readonly value: string;
  readonly ttlMs: number | null;
  readonly task: string;
  /** Null: all partitions, of a global table. */
  readonly partition: number | null;
  /** Null: not counted. */
  readonly rows: number | null;
  /** Next offset of each source topic: the store contains everything before it. */
  readonly sources: Readonly<Record<string, number>>;
  /**
   * Next offset of the changelog. Null if nothing was logged yet, for a global table (it has no changelog),
   * and with --as-of.
   */
  readonly changelog: number | null;
}

/** `millrace state list FILE`: lists the stores with their offsets. */
export function addStateList(program: Program): void {
  withStateOptions(
    program.parent
      .command('list')
      .description('list the stores of each task, and the global tables, with their offsets')
      .argument('<file>', 'the file that exports the topology')
      .option('--store <name>', 'this store only')
      .option('--count', 'count the rows, which reads all of them')
      .addOption(new Option('--format <format>', 'the output format').choices(FORMATS).default('table' as const)),
  )
    .addHelpText('after', `\nExample:\n  $ millrace state list topology.ts --count`)
    .action((file, options) => program.act((io) => list(file, options, io)));
}

async function list(file: string, options: Options, io: Io): Promise<number> {
  const rows: StoreRow[] = [];
  const code = await withStores(file, options, io, async (parts) => {
    for await (const part of parts) rows.push(await describePart(part, options.count === true));
    return 0;
  });
  if (code !== 0) return code;
  await write(
    io.stdout,
    options.format === 'json' ? rows.map((row) => `${JSON.stringify(row)}\n`).join('') : `${table(rows)}\n`,
  );
  return 0;
}

async function describePart(part: StoreOnDisk, count: boolean): Promise<StoreRow> {
  const { spec, task, partition, key, value, sources, changelog } = part;
  const { name, kind, ttlMs = null } = spec;
  let rows = 0;
  if (count) for await (const _row of part.entries()) rows++;
  return {
    store: name,
    kind,
    key: key.name,
    value: value.name,
    ttlMs,
    task,
    partition,
    rows: count ? rows : null,
    sources,
    changelog,
  };
}

function table(rows: readonly StoreRow[]): string {
  const counted = rows.some((row) => row.rows !== null);
  const shown = new Table({
    head: ['store', 'kind', 'key', 'value', 'task', ...(counted ? ['rows'] : []), 'sources', 'changelog'],
    style: { head: [], border: [] },
  });
  for (const row of rows) {
    const sources = Object.entries(row.sources).map(([topic, offset]) => `${topic}@${offset}`);
    shown.push([
      row.store,
      row.kind,
      row.key,
      row.value,
      row.task,
      ...(counted ? [row.rows ?? ''] : []),
      sources.join('\n'),
      row.changelog ?? '-',
    ]);
  }
  return shown.toString();
}
