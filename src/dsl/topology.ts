import type { Observable } from 'rxjs';
import { buildGraph } from '../graph/build.js';
import { checkCoPartitioned } from '../graph/check-co-partitioned.js';
import type { Graph, Problem } from '../graph/graph.js';
import { positiveMs } from '../model/duration.js';
import { isStreamsError, messageOf, StreamsError } from '../model/errors.js';
import { isName, NAME_RULE } from '../model/names.js';
import type { GlobalTable } from './common/global-table.js';
import { whenGiven } from './contract/policy-options.js';
import { CONTRACT_VERSION, DECLARE, type PushScope, TOPOLOGY, type Topology } from './contract/processor.js';
import type { Stream } from './contract/types.js';
import { checkGlobalTables } from './declare/check-global-tables.js';
import { checkUsedStores } from './declare/check-used-stores.js';
import { Declaring } from './declare/declaring.js';
import { runEnds } from './declare/run-ends.js';
import { OPEN_TOPOLOGY, type OpenTopology, type TopologyOf, type TopologyOptions } from './open-topology.js';
import { toTable } from './operators/to-table.js';
import { withDeclaring } from './pipelines/ambient.js';
import { guardAsync } from './pipelines/async-guard.js';
import type { GlobalTableOptions, StreamOptions, TableOptions, TopologyBuilder } from './topology-builder.js';

/** Whether a value is a topology, of this or another copy of the library. */
export function isTopology(value: unknown): value is Topology {
  return typeof value === 'object' && value !== null && TOPOLOGY in value;
}

/**
 * Declares a topology. The function is a blueprint. It runs once to draw the graph and once for each task, so
 * it must declare the same each time, and must not change anything outside itself.
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
 * Reading `graph` (as `start`, `describe` and `validate` do) throws TOPOLOGY_INVALID. The error lists every
 * problem and what to write instead.
 *
 * A function with a second parameter declares a topology that needs dependencies: services that its functions
 * call, or settings. The service passes them in with `with`; `dependencies` makes them for the command line,
 * which has no service.
 *
 * ```ts
 * export const orders = topology(
 *   'orders',
 *   (t, { pay }) => {
 *     const orders = t.stream('orders', { key: serdes.string, value: serdes.json<Order>() });
 *     orders.pipe(effect('pay', ({ value }) => pay(value)));
 *   },
 *   { dependencies: () => ({ pay: async (_order: Order): Promise<void> => undefined }) },
 * );
 * await start(orders.with({ pay: async (order) => console.log(order) }), { broker, stateDirectory: 'state' });
 * ```
 */
export function topology<D = undefined>(
  name: string,
  blueprint: (t: TopologyBuilder, dependencies: D) => void,
  { dependencies }: TopologyOptions<D> = {},
): TopologyOf<D> {
  if (blueprint.length < 2 && dependencies === undefined)
    return closed(name, (t) => blueprint(t, undefined as D)) as TopologyOf<D>;
  return {
    [OPEN_TOPOLOGY]: true,
    name,
    ...(dependencies && { dependencies }),
    with: (given: D) => closed(name, (t) => blueprint(t, given)),
  } as OpenTopology<D> as TopologyOf<D>;
}

function closed(name: string, blueprint: (t: TopologyBuilder) => void): Topology {
  let graph: Graph | undefined;
  const drawn: Topology = {
    [TOPOLOGY]: CONTRACT_VERSION,
    name,
    get graph() {
      graph ??= draw(name, blueprint);
      return graph;
    },
    [DECLARE](scope) {
      const expected = drawn.graph;
      const declaring = new Declaring(scope);
      run(name, blueprint, declaring);
      const same =
        JSON.stringify([declaring.nodes, declaring.edges]) === JSON.stringify([expected.nodes, expected.edges]);
      if (!same) {
        throw new StreamsError('TOPOLOGY_NOT_DETERMINISTIC', {
          what: 'the topology function declared a different topology when it ran again',
          at: `topology ${name}`,
          saw: declaring.nodes.map((node) => node.id).join(', '),
          expected: expected.nodes.map((node) => node.id).join(', '),
          action:
            'Make it independent of anything that changes between two runs: it runs once to draw the graph and once for each task.',
        });
      }
      return declaring;
    },
  };
  return drawn;
}

/** Every problem of a topology, each with advice; empty if the topology can run. */
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
      action: `Fix ${problems.length === 1 ? 'it' : 'them'}:`,
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
  // A single error keeps its own code.
  if (thrown && problems.length === 0) throw thrown;
  if (thrown) problems.push(problemOf(name, thrown));
  if (problems.length > 0) throw new TopologyInvalid(name, problems);
  const graph = buildGraph({ name, nodes: declaring.nodes, edges: declaring.edges, stores: declaring.stores });
  const unequal = checkCoPartitioned(graph);
  if (unequal.length > 0) throw new TopologyInvalid(name, unequal);
  return graph;
}

function problemOf(name: string, error: Error): Problem {
  const advice = isStreamsError(error) ? error.action : 'Fix the operator that threw during subscription.';
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
      const own = { key: options.key, value: options.value, ...whenGiven(options) };
      return records.pipe(toTable<K, V>({ store, ...own, ...past }));
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
    withDeclaring(declaring, () => runEnds(declaring));
  } catch (error) {
    if (isStreamsError(error)) throw error;
    throw new StreamsError('TOPOLOGY_INVALID', {
      what: 'the topology function threw',
      at: `topology ${name}`,
      saw: messageOf(error),
      action: 'Fix the function: it must only declare, and must not read what does not exist yet.',
      cause: error,
    });
  }
}

/** Declarations after the first `await` would be lost, and an error thrown there would end the process. */
function asyncBlueprint(name: string, returned: Promise<unknown>): StreamsError {
  returned.catch(() => undefined);
  return new StreamsError('TOPOLOGY_INVALID', {
    what: 'the topology function is async',
    at: `topology ${name}`,
    saw: 'a promise',
    expected: 'a function that has declared everything when it returns',
    action:
      'Remove async, and fetch what it needs beforehand: in the module, or in a function that makes the topology.',
  });
}
