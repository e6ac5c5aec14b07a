import { filter, merge, type Observable, type OperatorFunction, tap } from 'rxjs';
import {
  filterValues,
  flatMap,
  flatMapValues,
  type GlobalTable,
  groupBy,
  map,
  mapValues,
  process,
  repartition,
  selectKey,
  type Topology,
  type TopologyBuilder,
  to,
  topology,
  toStream,
  toTable,
  type Windowing,
} from '#src/index.js';
import type { Case, Json, Op, Pipeline } from './case.js';
import { type Cogrouped, cogrouped, fold } from './folds.js';
import { flatValues, keyFunction, pairs, predicate, valueFunction } from './functions.js';
import { join, joinByForeignKey, joinGlobal, joinStreams, joinWithGrace } from './joins.js';
import { ANY_AND_JSON } from './keys.js';
import { type Names, NotYet } from './not-yet.js';
import { processor } from './processors.js';
import { suppression } from './suppression.js';
import { windowing } from './windows.js';

type Records = Observable<any>;

/** Where a pipeline is: a stream, a grouped stream or table, or a table. */
export interface Node {
  readonly kind: 'stream' | 'grouped' | 'table';
  readonly records: Records;
  /** The key may be another than that of the last topic. */
  readonly rekeyed: boolean;
  /** Where a join finds the table's rows: in its store, in those that it is made of, or nowhere. */
  readonly rows: 'store' | 'derived' | 'none';
  /** Of a grouped stream: what folds are to be windowed by. */
  readonly windowing?: Windowing;
  /** Of a cogroup that is not aggregated yet: its streams, each with its adder. */
  readonly cogroup?: readonly Cogrouped[];
  /** The same table with a store, once somebody has asked for it. */
  materialized?: Records;
}

/** Told of what happens within a step, where alone order between topics can be seen. */
export interface Watch {
  peeked(peek: string, key: Json, value: Json): void;
  /** A record arrives at a sink. */
  emitted(topic: string, record: object): void;
  /** That record is about to be written: in the order of the outbox. */
  produced(topic: string, record: object): void;
}

const stream = (records: Records, rekeyed = false): Node => ({ kind: 'stream', records, rekeyed, rows: 'none' });
const table = (records: Records, rows: Node['rows'] = 'store'): Node => ({
  kind: 'table',
  records,
  rekeyed: false,
  rows,
});

/** Sessions and sliding windows lie together in rows of their keys, where joins do not look for them. */
const rowsOf = (windowing: Windowing | undefined): Node['rows'] =>
  windowing === undefined || windowing.window.kind === 'time' ? 'store' : 'none';

/** A case's topology, written in millrace's own operators. Throws {@link NotYet} for what there is no operator for. */
export function build(target: Case, watch: Watch): Topology {
  return topology(target.name.replaceAll('/', '.'), (t) => new Building(target, t, watch).run());
}

class Building {
  readonly #target: Case;
  readonly #t: TopologyBuilder;
  readonly #watch: Watch;
  readonly #nodes = new Map<string, Node>();
  readonly #globals = new Map<string, GlobalTable<any, Json>>();
  /** The way to each node from its source: when each step of it was declared. */
  readonly #ways = new Map<Node, readonly number[]>();
  #declared = 0;
  readonly #processorStores = new Set<string>();
  readonly #names: Names;

  constructor(target: Case, t: TopologyBuilder, watch: Watch) {
    this.#target = target;
    this.#t = t;
    this.#watch = watch;
    let n = 0;
    this.#names = (operator) => `${operator}-${++n}`;
  }

  run(): void {
    for (const [topic, spec] of Object.entries(this.#target.sources)) {
      if (spec.kind === 'globalTable') {
        const store = spec.store ?? this.#names('global');
        this.#globals.set(topic, this.#t.globalTable(topic, { ...ANY_AND_JSON, store }));
        continue;
      }
      const { timestampFrom, store = this.#names('table'), versionedHistoryMs } = spec;
      const node =
        spec.kind === 'table'
          ? table(
              this.#t.table(topic, {
                ...ANY_AND_JSON,
                store,
                ...(versionedHistoryMs !== undefined && { history: `${versionedHistoryMs}ms` as const }),
              }),
            )
          : stream(
              this.#t.stream(topic, {
                ...ANY_AND_JSON,
                ...(timestampFrom && { timestamp: (value: Json) => value?.[timestampFrom] ?? Number.NaN }),
              }),
            );
      this.#ways.set(node, [++this.#declared]);
      this.#nodes.set(topic, node);
    }
    for (const pipeline of this.#target.topology) this.#pipeline(pipeline);
  }

  #pipeline({ from, name, ops = [] }: Pipeline): void {
    let node = this.#node(from);
    for (let i = 0; i < ops.length; i++) {
      const op = ops[i] as Op;
      if (op.op === 'branch') return this.#branch(node, op);
      node = this.#follows(node, this.#op(node, op));
    }
    if (name !== undefined) this.#nodes.set(name, node);
  }

  #follows(before: Node, node: Node): Node {
    if (node !== before) this.#ways.set(node, [...(this.#ways.get(before) ?? []), ++this.#declared]);
    return node;
  }

  /** Consumers of one node are served in the order in which they were declared, in Kafka Streams; in millrace merged streams come in the order of merge's arguments. */
  #inOrderOfService(...nodes: readonly [Node, Node]): readonly Records[] {
    const way = (node: Node): readonly number[] => this.#ways.get(node) ?? [];
    const [a, b] = [way(nodes[0]), way(nodes[1])];
    const fork = a.findIndex((step, i) => step !== b[i]);
    // A way that ends at the fork goes straight into the merge, which is declared last.
    const step = (way: readonly number[], at: number): number => way[at] ?? Number.POSITIVE_INFINITY;
    const at = fork < 0 ? a.length : fork;
    const ordered = step(a, at) <= step(b, at) ? nodes : [nodes[1], nodes[0]];
    return ordered.map(({ records }) => records);
  }

  #node(name: string): Node {
    const node = this.#nodes.get(name);
    if (!node) throw new Error(`saw the node ${name}, expected one of ${[...this.#nodes.keys()].join(', ')}`);
    return node;
  }

  #branch(node: Node, { branches, default: rest }: Op): void {
    const tests = branches.map((branch: Json) => predicate(branch.predicate));
    const place = ({ key, value }: Json): number => tests.findIndex((test: Json) => test(key, value));
    const names: (string | undefined)[] = branches.map((branch: Json) => branch.name);
    const child = (at: number): Node =>
      stream(node.records.pipe(filter((record) => place(record) === at)), node.rekeyed);
    names.forEach((name, at) => void this.#nodes.set(name as string, this.#follows(node, child(at))));
    if (rest !== undefined) this.#nodes.set(rest, this.#follows(node, child(-1)));
  }

  #op(node: Node, op: Op): Node {
    switch (op.op) {
      case 'to':
        return this.#to(node, op.topic);
      case 'toTable': {
        const store = op.store ?? this.#names('table');
        return table(this.#keyed(node).pipe(toTable({ ...ANY_AND_JSON, store })));
      }
      case 'groupByKey': {
        const name = this.#names('group');
        const records = node.rekeyed ? node.records.pipe(repartition({ name, ...ANY_AND_JSON })) : node.records;
        return { ...node, kind: 'grouped', records, rekeyed: false };
      }
      case 'groupBy':
        return this.#groupBy(node, op);
      case 'windowedBy':
        return { ...node, windowing: windowing(op) };
      case 'count':
      case 'reduce':
      case 'aggregate': {
        const store = op.store ?? this.#names(op.op);
        if (node.cogroup) return table(cogrouped(op, store, node.cogroup, node.windowing), rowsOf(node.windowing));
        return table(node.records.pipe(fold(op, store, node.windowing)), rowsOf(node.windowing));
      }
      case 'toStream': {
        const records = node.records.pipe(toStream());
        if (!op.key) return stream(records);
        const fn = keyFunction(op.key);
        return stream(records.pipe(selectKey(({ key, value }: Json) => fn(key, value))), true);
      }
      case 'join':
      case 'leftJoin':
      case 'outerJoin':
        return this.#join(node, op);
      case 'process': {
        const { store } = op.processor;
        const owner = !this.#processorStores.has(store);
        this.#processorStores.add(store);
        return stream(node.records.pipe(processor(op.processor, this.#names('process'), owner)), true);
      }
      case 'suppress':
        return table(node.records.pipe(suppression(op, this.#names('suppress'))), 'none');
      case 'cogroup': {
        const others = op.others.map((other: Json) => ({ records: this.#node(other.from).records, add: other.add }));
        return { ...node, cogroup: [{ records: node.records, add: op.add }, ...others] };
      }
      default:
        return this.#stateless(node, op);
    }
  }

  #stateless(node: Node, op: Op): Node {
    const { records } = node;
    const kept = (next: Records): Node => {
      const rows = node.rows === 'none' || op.op === 'peek' ? 'none' : 'derived';
      const result: Node = { ...node, records: next, rows };
      delete result.materialized;
      if (op.store === undefined) return result;
      return table(next.pipe(toStream<Json, Json>(), toTable({ ...ANY_AND_JSON, store: op.store })));
    };
    switch (op.op) {
      case 'filter':
      case 'filterNot': {
        const test = predicate(op.predicate);
        const wanted = op.op === 'filter';
        return kept(records.pipe(filterValues((value: Json, key: Json) => test(key, value) === wanted)));
      }
      case 'mapValues': {
        const fn = valueFunction(op.value);
        return kept(records.pipe(mapValues((value: Json, key: Json) => fn(key, value))));
      }
      case 'map': {
        const [keyOf, mapped] = [keyFunction(op.key), valueFunction(op.value)];
        return stream(records.pipe(map(({ key, value }: Json) => [keyOf(key, value), mapped(key, value)])), true);
      }
      case 'selectKey': {
        const fn = keyFunction(op.key);
        return stream(records.pipe(selectKey(({ key, value }: Json) => fn(key, value))), true);
      }
      case 'flatMapValues': {
        const fn = flatValues(op.values);
        return kept(records.pipe(flatMapValues((value: Json) => fn(value))));
      }
      case 'flatMap': {
        const fn = pairs(op.pairs);
        return stream(records.pipe(flatMap(({ key, value }: Json) => fn(key, value))), true);
      }
      case 'merge': {
        const other = this.#node(op.with);
        return stream(merge(...this.#inOrderOfService(node, other)), node.rekeyed || other.rekeyed);
      }
      case 'peek':
        return kept(records.pipe(this.#peek(op.label)));
      case 'repartition':
        return stream(records.pipe(repartition({ name: this.#names('repartition'), ...ANY_AND_JSON })));
      default:
        throw new NotYet(op.op);
    }
  }

  /** Kafka Streams' peek sees each record once, whoever listens behind it and if nobody does: a processor in millrace, since a plain operator runs for each that listens. */
  #peek(label: string): OperatorFunction<any, any> {
    return process<any>({
      name: this.#names('peek'),
      process: (record, { forward }) => {
        this.#watch.peeked(label, record.key, record.value);
        forward(record);
      },
    });
  }

  #to(node: Node, topic: string): Node {
    // Asked for a partition, a sink is about to write; it leaves the choice to the hash of the key.
    const partition = (record: object): undefined => this.#watch.produced(topic, record) as undefined;
    const watched = tap((record: any) => this.#watch.emitted(topic, record));
    node.records.pipe(watched, to(topic, { name: this.#names(`to-${topic}`), partition, ...ANY_AND_JSON }));
    return node;
  }

  #groupBy(node: Node, op: Op): Node {
    const keyOf = keyFunction(op.key);
    const options = { name: this.#names('group'), ...ANY_AND_JSON };
    if (node.kind === 'stream') {
      const records = node.records.pipe(groupBy(({ key, value }: Json) => keyOf(key, value), options));
      return { ...stream(records), kind: 'grouped' };
    }
    // Both functions of a grouped table see the row's own key: the value travels mapped, next to the row that the group is chosen by.
    const mapped = valueFunction(op.value ?? { fn: 'identity' });
    const records = node.records.pipe(
      mapValues((row: Json, key: Json) => ({ group: keyOf(key, row), value: mapped(key, row) })),
      groupBy(({ value: { group, value } }: Json) => (value === null ? null : group), options),
      mapValues(({ value }: Json) => value),
    );
    return { ...table(records, 'none'), kind: 'grouped' };
  }

  #join(node: Node, op: Op): Node {
    const global = this.#globals.get(op.with);
    if (global) return { ...node, records: node.records.pipe(joinGlobal(op, global)) };
    const other = this.#node(op.with);
    if (op.foreignKey) {
      const [left, right] = [this.#stored(node, ['store']), this.#stored(other, ['store'])];
      return table(left.pipe(joinByForeignKey(op, right, op.store ?? this.#names('joined'))));
    }
    if (other.kind === 'stream') return stream(this.#joinStreams(node, other, op));
    const right = this.#stored(other);
    if (node.kind === 'stream') {
      const joining = op.graceMs === undefined ? join(op, right) : joinWithGrace(op, right, this.#names('waiting'));
      return stream(this.#keyed(node).pipe(joining));
    }
    const joined = this.#stored(node).pipe(join(op, right));
    if (op.store === undefined) return table(joined, 'derived');
    return table(joined.pipe(toStream<Json, Json>(), toTable({ ...ANY_AND_JSON, store: op.store })));
  }

  /** Where one record comes on both sides, millrace takes the left one first; where Kafka Streams serves the right side first, it goes through a step that is declared before the join. */
  #joinStreams(node: Node, other: Node, op: Op): Records {
    const store = this.#names(op.op);
    if (other === node) {
      const both = this.#keyed(node);
      return both.pipe(joinStreams(op, both, store));
    }
    if (this.#inOrderOfService(node, other)[0] === node.records)
      return this.#keyed(node).pipe(joinStreams(op, this.#keyed(other), store));
    const first = process<any>({ name: this.#names('first'), process: (record, { forward }) => forward(record) });
    const right = this.#keyed(other).pipe(first);
    return this.#keyed(node).pipe(joinStreams(op, right, store));
  }

  /** Each keyed operator behind a change of key reads from a repartition topic of its own. */
  #keyed({ records, rekeyed }: Node): Records {
    if (!rekeyed) return records;
    return records.pipe(selectKey((record: Json) => record.key, { name: this.#names('by-key'), ...ANY_AND_JSON }));
  }

  #stored(node: Node, enough: readonly Node['rows'][] = ['store', 'derived']): Records {
    if (enough.includes(node.rows)) return node.records;
    node.materialized ??= node.records.pipe(
      toStream<Json, Json>(),
      toTable({ ...ANY_AND_JSON, store: this.#names('rows') }),
    );
    return node.materialized;
  }
}
