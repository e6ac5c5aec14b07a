import { isDeepStrictEqual } from 'node:util';
import type { Observable } from 'rxjs';
import type { GraphEdge, GraphNode, GraphStore, Problem } from '../../graph/graph.js';
import { asKey } from '../../serdes/serde.js';
import { serdes } from '../../serdes/serdes.js';
import type { StoreSpec } from '../../state/contract.js';
import { GLOBAL_TABLE, type GlobalTable } from '../common/global-table.js';
import type { GlobalTableSpec, RepartitionSpec, SinkSpec, SourceSpec } from '../contract/node-specs.js';
import type {
  AnyRecord,
  AnySerde,
  Declaration,
  DeclaredGlobalTable,
  DeclaredProcessor,
  DeclaredRepartition,
  DeclaredSink,
  DeclaredSource,
  ProcessorSpec,
  PushScope,
  SerdeUse,
} from '../contract/processor.js';
import { TracedInput } from '../pipelines/input.js';
import { type Inspection, inspected } from '../pipelines/inspection.js';
import { Origin } from '../pipelines/origin.js';
import { PipelineEnds } from '../pipelines/pipeline-ends.js';
import { checkSerdes, graphStore, isSameSource, noteName, policyOf } from './checks.js';
import { internalInputNodes } from './internal-inputs.js';

/**
 * Collects the declarations of one run of a topology function: the live nodes, the graph as data, and all
 * problems.
 */
export class Declaring implements Declaration {
  readonly sources: DeclaredSource[] = [];
  readonly globalTables: DeclaredGlobalTable[] = [];
  readonly processors: DeclaredProcessor[] = [];
  readonly repartitions: DeclaredRepartition[] = [];
  readonly sinks: DeclaredSink[] = [];
  readonly nodes: GraphNode[] = [];
  readonly edges: GraphEdge[] = [];
  readonly stores: GraphStore[] = [];
  readonly problems: Problem[] = [];
  readonly #scope: PushScope;
  readonly ends = new PipelineEnds();

  constructor(scope: PushScope) {
    this.#scope = scope;
  }

  problem(where: string, what: string, advice: string): void {
    this.problems.push({ where, what, advice });
  }

  /**
   * Binds a pair of serdes to the place where they are used. An operator that uses a serde itself, and not
   * only in a store, binds it with this method.
   */
  bound<S extends { readonly key: AnySerde; readonly value: AnySerde }>(
    given: S,
    of: SerdeUse['of'],
    name: string | undefined,
  ): S {
    const spec = given.key?.asKey ? { ...given, key: asKey(given.key) } : given;
    const { bind } = this.#scope;
    if (!bind || (!spec.key?.binding && !spec.value?.binding)) return spec;
    return {
      ...spec,
      key: bind(spec.key, { of, name, side: 'key' }),
      value: bind(spec.value, { of, name, side: 'value' }),
    };
  }

  source(given: SourceSpec): Origin<AnyRecord> {
    const spec = this.bound(given, 'source', given.topic);
    const id = `source ${spec.topic}`;
    noteName(this, id, 'topic', spec.topic);
    checkSerdes(this, id, spec);
    const known = this.sources.find((source) => source.topic === spec.topic);
    if (known) {
      const before = this.nodes.find((node) => node.id === id);
      if (!isSameSource(known, spec) || !isDeepStrictEqual(before?.onError, policyOf(id, spec).onError))
        this.problem(
          id,
          'the topic is declared twice with different serdes, timestamps, time jumps or policies for errors',
          'Declare it once and pipe the result twice.',
        );
      return known.outlet as Origin<AnyRecord>;
    }
    const origin = new Origin<AnyRecord>(id, this.#scope, { key: spec.key });
    this.sources.push({ ...spec, id, outlet: origin });
    this.nodes.push({
      kind: 'source',
      id,
      topic: spec.topic,
      key: spec.key?.name ?? '?',
      value: spec.value?.name ?? '?',
      ...policyOf(id, spec),
    });
    return origin;
  }

  /** Declares a table that belongs to no task. It has no outlet, since its changes emit nothing. */
  globalTable(given: GlobalTableSpec): GlobalTable<unknown, unknown> {
    const spec = this.bound(given, 'globalTable', given.topic);
    const { topic, store, key, value } = spec;
    const id = `globalTable ${topic}`;
    noteName(this, id, 'topic', topic);
    noteName(this, id, 'store', store);
    if (this.nodes.some((node) => node.id === id)) {
      this.problem(id, 'the topic is declared twice as a global table', 'Declare it once and join the result twice.');
    }
    this.#addStore(id, { name: store, kind: 'keyValue', key, value });
    this.globalTables.push({ ...spec, id });
    const names = { key: key?.name ?? '?', value: value?.name ?? '?' };
    this.nodes.push({ kind: 'globalTable', id, topic, store, ...names, ...policyOf(id, spec) });
    return { topic, store, [GLOBAL_TABLE]: { key, value } };
  }

  /** Declares a stateful operator. `table`: the store of its rows, if it emits changes of a table. */
  processor(given: ProcessorSpec, observables: readonly Observable<AnyRecord>[], table?: string): Origin<AnyRecord> {
    const spec = { ...given, stores: given.stores.map((store) => this.bound(store, 'store', store.name)) };
    const first = observables[0] && this.inspect(observables[0]);
    const key = spec.emitsKey ?? first?.key;
    const window = spec.window ?? (spec.emitsKey ? undefined : first?.window);
    // A keyed operator has a repartition in front of it. After any other operator the key change is still
    // pending.
    const pending = spec.keyed ? undefined : first?.rekey;
    const rekey = pending && spec.emitsValue ? { ...pending, value: spec.emitsValue } : pending;
    const id = this.#unique(
      `${spec.operator} ${spec.name}`,
      `Give each ${spec.operator} a name (or a store) of its own.`,
    );
    noteName(this, id, spec.stores.length > 0 ? 'store' : 'name', spec.name);
    for (const store of spec.stores) this.#addStore(id, store);
    // A stream that is joined with itself is repartitioned once.
    const moved = new Map<Observable<AnyRecord>, Observable<AnyRecord>>();
    const names = new Set<string>();
    const inputs = observables.map((observable, port) => {
      const source = spec.keyed
        ? (moved.get(observable) ?? this.#repartitioned(observable, spec, { port, names }))
        : observable;
      moved.set(observable, source);
      return this.#input(id, port, source, spec.keyed);
    });
    const origin = new Origin<AnyRecord>(id, this.#scope, { table, key, rekey, window });
    this.processors.push({ id, spec, inputs, outlet: origin });
    this.nodes.push({
      kind: 'processor',
      id,
      operator: spec.operator,
      name: spec.name,
      stores: spec.stores.map((store) => store.name),
      reads: spec.reads ?? [],
      ...(spec.globals && { globals: spec.globals }),
      keyed: spec.keyed,
      ...policyOf(id, spec),
    });
    for (const [i, node] of internalInputNodes(this, spec).entries()) {
      this.nodes.push(node);
      this.edges.push({ from: node.id, to: id, port: inputs.length + i, through: [] });
    }
    return origin;
  }

  repartition(given: RepartitionSpec, observable: Observable<AnyRecord>): Origin<AnyRecord> {
    const spec = this.bound(given, 'repartition', given.name);
    const id = this.#unique(
      `repartition ${spec.name}`,
      'Give each key change its own name: selectKey(fn, { name }); or write repartition({ name }) once after it, and pipe its result twice.',
    );
    noteName(this, id, 'name', spec.name);
    checkSerdes(this, id, spec);
    if (spec.partitions !== undefined && !(Number.isInteger(spec.partitions) && spec.partitions > 0)) {
      this.problem(id, `partitions is ${spec.partitions}`, 'Give a whole number of at least 1, or leave it out.');
    }
    const { table } = this.inspect(observable);
    const input = this.#input(id, 0, observable, false);
    const origin = new Origin<AnyRecord>(id, this.#scope, { table: table ? id : undefined, key: spec.key });
    this.repartitions.push({ ...spec, id, table, input, outlet: origin });
    const { name, partitions = null } = spec;
    this.nodes.push({
      kind: 'repartition',
      id,
      name,
      partitions,
      key: spec.key?.name ?? '?',
      value: spec.value?.name ?? '?',
      ...policyOf(id, spec),
    });
    return origin;
  }

  sink(given: SinkSpec, observable: Observable<AnyRecord>): void {
    const spec = this.bound(given, 'sink', typeof given.topic === 'string' ? given.topic : undefined);
    const name = spec.name ?? (typeof spec.topic === 'string' ? spec.topic : undefined);
    if (name === undefined) {
      this.problem(
        'to',
        'a sink that chooses its topic by a function has no name',
        'Give it one: to((record) => …, { name: …, key, value }).',
      );
    }
    const id = this.#unique(
      `to ${name ?? '?'}`,
      'Give one of the two a name of its own: to(topic, { name, key, value }).',
    );
    if (name !== undefined) noteName(this, id, 'topic', name);
    if (typeof spec.topic === 'string' && spec.topic !== name) noteName(this, id, 'topic', spec.topic);
    checkSerdes(this, id, spec);
    this.sinks.push({ ...spec, id, input: this.#input(id, 0, observable, false) });
    const topic = typeof spec.topic === 'string' ? spec.topic : null;
    const names = { key: spec.key?.name ?? '?', value: spec.value?.name ?? '?' };
    this.nodes.push({ kind: 'sink', id, topic, ...names, ...policyOf(id, spec) });
  }

  /**
   * A free name for a stateless node, numbered from the second on. The number affects no topic and no store.
   */
  freeName(operator: string, name: string): string {
    const taken = (candidate: string) => this.nodes.some((node) => node.id === `${operator} ${candidate}`);
    if (!taken(name)) return name;
    let n = 2;
    while (taken(`${name}.${n}`)) n++;
    return `${name}.${n}`;
  }

  inspect(observable: Observable<AnyRecord>): Inspection {
    return inspected(observable, this.#scope, this.edges);
  }

  /**
   * A keyed processor after a key change reads from a repartition topic: equal keys meet in one task again.
   */
  #repartitioned(
    observable: Observable<AnyRecord>,
    spec: ProcessorSpec,
    { port, names }: { readonly port: number; readonly names: Set<string> },
  ): Observable<AnyRecord> {
    const { rekey } = this.inspect(observable);
    if (!rekey) return observable;
    // One key change may lead to both sides of a join, through filters. Each side then has its own topic.
    const own = rekey.name !== undefined && names.has(rekey.name) ? undefined : rekey.name;
    const name = own ?? spec.repartitions?.[port] ?? rekey.name ?? spec.stores[0]?.name;
    if (name === undefined) {
      this.problem(
        'selectKey',
        'the keyed operator after it needs a repartition topic, which has no name',
        'Give selectKey a name: selectKey(fn, { name, key }).',
      );
      return observable;
    }
    names.add(name);
    const { key = serdes.json(), value = serdes.json() } = rekey;
    return this.repartition({ name, key, value, keepsNullKeys: spec.takesNullKeys ?? false }, observable);
  }

  #input(node: string, port: number, observable: Observable<AnyRecord>, checkKey: boolean): TracedInput {
    const input = new TracedInput({ node, port, observable, scope: this.#scope, checkKey });
    // A refused operator may have stopped the subscription on its way up.
    if (input.paths.length === 0 && !input.refused) {
      this.problem(
        node,
        'its input does not come from a stream of this topology',
        'Remove share(), publish() or another multicasting operator (a stream may be piped more than once as it is), and build the input from t.stream or t.table.',
      );
    }
    if (input.isPlainTable && input.paths.length > 1) {
      this.problem(
        node,
        'a table is merged with something else, and both may have rows of one key',
        'Put toStream() after each, and toTable({ store, value }) after merge() if the result is a table again; or join the tables with outerJoinTable.',
      );
    }
    this.edges.push(...input.edges);
    return input;
  }

  #addStore(owner: string, store: StoreSpec): void {
    checkSerdes(this, owner, store);
    const other = this.stores.find(({ name }) => name === store.name);
    if (other) {
      this.problem(
        owner,
        `the store "${store.name}" already belongs to ${other.owner}`,
        'Give each store a name of its own.',
      );
      return;
    }
    this.stores.push(graphStore(owner, store));
  }

  #unique(id: string, advice: string): string {
    if (!this.nodes.some((node) => node.id === id)) return id;
    this.problem(id, 'two nodes have this name', advice);
    return `${id} (again)`;
  }
}
