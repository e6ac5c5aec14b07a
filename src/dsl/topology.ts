import type { Observable } from 'rxjs';
import { buildGraph } from '../graph/build.js';
import { checkCoPartitioned } from '../graph/check-co-partitioned.js';
import type { Graph, Problem } from '../graph/graph.js';
import { type Duration, positiveMs } from '../model/duration.js';
import { isStreamsError, messageOf, StreamsError } from '../model/errors.js';
import { isName, NAME_RULE } from '../model/names.js';
import type { Serde } from '../serdes/serde.js';
import { withDeclaring } from './ambient.js';
import { guardAsync } from './async-guard.js';
import { checkGlobalTables } from './check-global-tables.js';
import { checkUsedStores } from './check-used-stores.js';
import { Declaring } from './declaring.js';
import type { GlobalTable } from './global-table.js';
import { toTable } from './operators/to-table.js';
import { CONTRACT_VERSION, type PushScope, TOPOLOGY, type Topology } from './processor.js';
import { runEnds } from './run-ends.js';
import type { Stream, Table } from './types.js';

export interface StreamOptions<K, V> {
  readonly key: Serde<K>;
  readonly value: Serde<V>;
  /**
   * Event time in milliseconds, taken from the record. Default: the record's own timestamp. Must be a
   * function declared once, not one per call.
   *
   * Records of several topics are taken in the order of their event times, live and in a replay; so a record
   * whose time this function says is decoded before its turn, once. One for which it throws, or that does not
   * decode, has no time: it comes as soon as it is the next of its partition.
   */
  readonly timestamp?: (value: V, key: K) => number;
  /**
   * How far ahead of stream time, the highest timestamp that its task has seen, the timestamp of a record may
   * be. One that is further ahead goes the way of `onError.deserialize` (TIME_JUMP) and moves no time: a
   * single record with a wrong clock would close all windows and end the life of all rows, for ever. Default:
   * any time is taken.
   *
   * The first record of a partition is believed. So is the tenth of records that follow each other in a
   * partition, all too far ahead and none further than this from the one before: after a silence, time goes
   * on by itself, and what was refused meanwhile is in the dead letters, if they are kept. Choose it longer
   * than a partition is usually silent. Nothing but timestamps decides, so a replay refuses the same records.
   */
  readonly maxTimeJump?: Duration;
}

export interface TableOptions<K, V> extends StreamOptions<K, V> {
  /** The store that holds the rows. */
  readonly store: string;
  /**
   * Makes it a versioned table: how long past values of its rows can be looked up, in its own stream time.
   * Default: not at all.
   */
  readonly history?: Duration;
}

/** No task reads it, so it moves no stream time, and it keeps no past. */
export type GlobalTableOptions<K, V> = Omit<TableOptions<K, V>, 'maxTimeJump' | 'history'>;

/** What a topology function is given: the ways in. */
export interface TopologyBuilder {
  /**
   * The records of a topic, in order of each partition.
   *
   * No state. A record that does not decode goes the way of `onError.deserialize` (DESERIALIZE_FAILED). Null
   * values pass: in a stream a tombstone is a record like any other.
   *
   * ```ts
   * const orders = t.stream('orders', { key: serdes.string, value: serdes.json<Order>() });
   * ```
   */
  stream<K, V>(topic: string, options: StreamOptions<K, V>): Stream<K, V>;
  /**
   * The rows of a topic: each record replaces the row of its key, a null value deletes it.
   *
   * State: one row a key in `store`, and its changelog. Rows follow the order of arrival, whatever their
   * timestamps, as in Kafka Streams; records with a null key are dropped and counted. Every record is passed
   * on as a change, unchanged values and repeated deletions included.
   *
   * ```ts
   * const accounts = t.table('accounts', { key: serdes.string, value: serdes.json<Account>(), store: 'accounts' });
   * ```
   *
   * **Versioned**, with `history`: a row is what its timestamps say, in whatever order records arrive. Each
   * value holds from its timestamp until that of the next; one of equal time replaces, and a deletion is a
   * value like any other. A stream joined with the table sees its rows as of the record's own timestamp
   * (`joinTable`), `process` and `StoreView` as of any moment within the history.
   *
   * - A record older than the newest one of its key is *out of order*: it changes the past and not the row.
   *   It is passed on (`outOfOrder` is true, `previous` is what was known of that moment) and counted
   *   (`out-of-order`); `toStream`, `mapValues` and `filterValues` pass it on, `groupBy`, folds and joins
   *   with other tables leave it out.
   * - A record older than the highest timestamp of the table (of all keys in its partition) by more than
   *   `history` is dropped and counted (`expired`).
   * - State: the newest values in `store`, older ones in `<store>-versions`, a list for each key that has
   *   any, in chunks of at most 256 versions. Both have a changelog. What has not held within the history is
   *   removed, at least 1,000 lists a commit. Cost: two look-ups and at most two writes a record (one of
   *   each, if the row was not changed within the history), one more of each if a row has more than 16 past
   *   values; a list is written whole, of one above 32 KiB the pages that changed.
   *
   * CONFIG_INVALID for a history of zero. Semantics: versioned state stores of Kafka Streams (KIP-889,
   * KIP-914).
   *
   * ```ts
   * const prices = t.table('prices', { key: serdes.string, value: serdes.double, store: 'prices', history: '30d' });
   * ```
   */
  table<K, V>(topic: string, options: TableOptions<K, V>): Table<K, V>;
  /**
   * The rows of a topic, all of them in every process: a table that is joined by any key, without
   * co-partitioning and without a repartition (`joinGlobalTable`). For what is small enough to be on every
   * machine and changes seldom. Not a stream: it cannot be piped.
   *
   * State: one row a key in `store`, in a database that all tasks of the process share, in
   * `<state>/<application>/global` (another engine of the application on the same state directory has one of
   * its own, `global.2`). The topic itself is the changelog: none is made, and the topic may be compacted.
   * All partitions are read from the beginning, whatever `startFrom` says, and up to their ends before any
   * task begins; after that in the background, outside of transactions, committed records only. What was read
   * is remembered with the rows, so a restart reads what is new.
   *
   * A topic that has been made anew, or has lost records that were not read yet, is read again from the
   * beginning, with a warning; one that was made anew and is longer than the old one by now cannot be told
   * from it. If it happens while the application runs, that ends with OFFSET_OUT_OF_RANGE, and the next start
   * reads it again. Partitions that are added while the application runs are read from its next start on.
   *
   * Rows follow the order of arrival within a partition, whatever their timestamps; what is in several
   * partitions when it is read is taken in the order of event times. Null keys are dropped and counted
   * (`null-key`). What does not decode goes the way of `onError.deserialize`; its dead letters are written
   * before the rows behind them, at least once. Cost: one write a record; disk for all rows in each process,
   * which has no bound; memory for a batch of 10,000 records while it loads and 20,000 read ahead (500 a
   * partition at least), and rows cached within `cacheBytes`.
   *
   * ```ts
   * const rates = t.globalTable('rates', { key: serdes.string, value: serdes.double, store: 'all-rates' });
   * ```
   */
  globalTable<K, V>(topic: string, options: GlobalTableOptions<K, V>): GlobalTable<K, V>;
}

/** Whether a value is a topology: of this copy of the library or another. */
export function isTopology(value: unknown): value is Topology {
  return typeof value === 'object' && value !== null && TOPOLOGY in value;
}

/**
 * Declares a topology. The function is a blueprint: it runs once to draw the graph and once for each task, so
 * it must declare the same every time, and nothing outside it may be changed from within.
 *
 * ```ts
 * export default topology('word-count', (t) => {
 *   t.stream('lines', { key: serdes.string, value: serdes.string }).pipe(
 *     flatMapValues((line) => line.toLowerCase().split(' ')),
 *     groupBy((record) => record.value, { key: serdes.string, value: serdes.string, name: 'by-word' }),
 *     count({ store: 'counts' }),
 *     to('counts', { key: serdes.string, value: serdes.int64 }),
 *   );
 * });
 * ```
 *
 * Reading `graph` (as `start`, `describe` and `validate` do) throws TOPOLOGY_INVALID with every problem found
 * and what to write instead.
 */
export function topology(name: string, blueprint: (t: TopologyBuilder) => void): Topology {
  let graph: Graph | undefined;
  const drawn: Topology = {
    [TOPOLOGY]: CONTRACT_VERSION,
    name,
    get graph() {
      graph ??= draw(name, blueprint);
      return graph;
    },
    declare(scope) {
      const expected = drawn.graph;
      const declaring = new Declaring(scope);
      run(name, blueprint, declaring);
      const same =
        JSON.stringify([declaring.nodes, declaring.edges]) === JSON.stringify([expected.nodes, expected.edges]);
      if (!same) {
        throw new StreamsError('TOPOLOGY_NOT_DETERMINISTIC', {
          what: 'the topology function declared something else when it was run again',
          at: `topology ${name}`,
          saw: declaring.nodes.map((node) => node.id).join(', '),
          expected: expected.nodes.map((node) => node.id).join(', '),
          action:
            'Make it depend on nothing that changes between two runs: it is run once to draw the graph and once for each task.',
        });
      }
      return declaring;
    },
  };
  return drawn;
}

/** Everything that is wrong with a topology, each with advice; empty if it can run. */
export function validate(target: Topology): readonly Problem[] {
  try {
    void target.graph;
    return [];
  } catch (error) {
    if (error instanceof TopologyInvalid) return error.problems;
    if (isStreamsError(error)) return [problemOf(target.name, error)];
    throw error;
  }
}

class TopologyInvalid extends StreamsError {
  readonly problems: readonly Problem[];

  constructor(name: string, problems: readonly Problem[]) {
    super('TOPOLOGY_INVALID', {
      what: `the topology cannot run: ${problems.length} problem${problems.length === 1 ? '' : 's'}`,
      at: `topology ${name}`,
      action: `Mend ${problems.length === 1 ? 'it' : 'them'}:`,
      list: problems.map(({ where, what, advice }) => `${where}: ${what}. ${advice}`),
    });
    this.problems = problems;
  }
}

function draw(name: string, blueprint: (t: TopologyBuilder) => void): Graph {
  const late: Error[] = [];
  const scope: PushScope = { pushing: false, index: 0, key: undefined, from: '', fail: (error) => late.push(error) };
  const declaring = new Declaring(scope);
  let thrown: StreamsError | undefined;
  try {
    run(name, blueprint, declaring);
  } catch (error) {
    thrown = error as StreamsError;
  }
  checkGlobalTables(declaring);
  checkUsedStores(declaring);
  const problems = [...declaring.problems];
  if (!isName(name)) {
    problems.push({
      where: `topology ${name}`,
      what: 'the name is not legal',
      advice: `Use ${NAME_RULE}.`,
    });
  }
  if (declaring.sources.length === 0 && !thrown) {
    problems.push({
      where: `topology ${name}`,
      what: declaring.globalTables.length === 0 ? 'it reads no topic' : 'it reads nothing but global tables',
      advice: 'Begin with t.stream(topic, …) or t.table(topic, …): they are what tasks process.',
    });
  }
  for (const error of late) problems.push(problemOf(name, error));
  // Alone, an error keeps its own code.
  if (thrown && problems.length === 0) throw thrown;
  if (thrown) problems.push(problemOf(name, thrown));
  if (problems.length > 0) throw new TopologyInvalid(name, problems);
  const graph = buildGraph({ name, nodes: declaring.nodes, edges: declaring.edges, stores: declaring.stores });
  const unequal = checkCoPartitioned(graph);
  if (unequal.length > 0) throw new TopologyInvalid(name, unequal);
  return graph;
}

function problemOf(name: string, error: Error): Problem {
  const advice = isStreamsError(error) ? error.action : 'Mend the operator that threw while it was subscribed.';
  return { where: `topology ${name}`, what: isStreamsError(error) ? error.problem : messageOf(error), advice };
}

function run(name: string, blueprint: (t: TopologyBuilder) => void, declaring: Declaring): void {
  const source = (topic: string, { maxTimeJump, ...options }: StreamOptions<unknown, unknown>): Observable<unknown> =>
    declaring.source({
      topic,
      ...options,
      ...(maxTimeJump !== undefined && { maxTimeJumpMs: positiveMs(maxTimeJump, `maxTimeJump of ${topic}`) }),
    });
  const builder: TopologyBuilder = {
    stream: <K, V>(topic: string, options: StreamOptions<K, V>) =>
      source(topic, options as StreamOptions<unknown, unknown>) as Stream<K, V>,
    table: <K, V>(topic: string, { store, history, ...options }: TableOptions<K, V>) => {
      const records = source(topic, options as StreamOptions<unknown, unknown>) as Stream<K, V | null>;
      const past = history !== undefined && { history };
      return records.pipe(toTable<K, V>({ store, key: options.key, value: options.value, ...past }));
    },
    globalTable: <K, V>(topic: string, options: GlobalTableOptions<K, V>) => {
      if ('history' in options) {
        declaring.problem(
          `globalTable ${topic}`,
          'a global table keeps no past',
          'Leave history out, or declare it with t.table to join it as of a moment.',
        );
      }
      return declaring.globalTable({ topic, ...(options as GlobalTableOptions<unknown, unknown>) }) as GlobalTable<
        K,
        V
      >;
    },
  };
  try {
    guardAsync();
    const returned: unknown = withDeclaring(declaring, () => blueprint(builder));
    if (returned instanceof Promise) throw asyncBlueprint(name, returned);
    runEnds(declaring);
  } catch (error) {
    if (isStreamsError(error)) throw error;
    throw new StreamsError('TOPOLOGY_INVALID', {
      what: 'the topology function threw',
      at: `topology ${name}`,
      saw: messageOf(error),
      action: 'Mend the function: it must only declare, without reading what is not there yet.',
      cause: error,
    });
  }
}

/**
 * What comes behind its first `await` would be declared by nobody, and what it throws there would end the
 * process.
 */
function asyncBlueprint(name: string, returned: Promise<unknown>): StreamsError {
  returned.catch(() => undefined);
  return new StreamsError('TOPOLOGY_INVALID', {
    what: 'the topology function is async',
    at: `topology ${name}`,
    saw: 'a promise',
    expected: 'a function that has declared everything when it returns',
    action: 'Remove async, and fetch what it needs before: in the module, or with a function that makes the topology.',
  });
}
