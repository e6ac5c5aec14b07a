/**
 * The topology as frozen data, without closures. It is the input of `describe`, `validate`, the engine's plan
 * and the tools.
 */

export interface SourceNode {
  readonly kind: 'source';
  readonly id: string;
  readonly topic: string;
  readonly key: string;
  readonly value: string;
}

/** A table with all its rows in every process: part of no sub-topology, read by every task that joins it. */
export interface GlobalTableNode {
  readonly kind: 'globalTable';
  readonly id: string;
  readonly topic: string;
  readonly store: string;
  readonly key: string;
  readonly value: string;
}

export interface ProcessorNode {
  readonly kind: 'processor';
  readonly id: string;
  readonly operator: string;
  readonly name: string;
  /** Stores that it owns. */
  readonly stores: readonly string[];
  /** Stores of other processors that it reads. */
  readonly reads: readonly string[];
  /** Stores of global tables that it reads. Left out: none. */
  readonly globals?: readonly string[];
  readonly keyed: boolean;
}

export interface RepartitionNode {
  readonly kind: 'repartition';
  readonly id: string;
  readonly name: string;
  readonly partitions: number | null;
  readonly key: string;
  readonly value: string;
}

/**
 * A topic in which a task notes what does not come from its sources: a timer that fired, the outcome of a
 * call. The task reads it as one more of its sources, and a replay does, too.
 */
export interface InternalInputNode {
  readonly kind: 'internalInput';
  readonly id: string;
  readonly name: string;
  /** What its records are: the topic is `<application>-<name>-<holds>`. */
  readonly holds: InternalInputKind;
}

/** What the records of an internal input are. */
export type InternalInputKind = 'timers' | 'outcomes' | 'letters';

export interface SinkNode {
  readonly kind: 'sink';
  readonly id: string;
  /** Null: a function of the record chooses the topic. */
  readonly topic: string | null;
  readonly key: string;
  readonly value: string;
}

export type GraphNode = SourceNode | GlobalTableNode | ProcessorNode | RepartitionNode | InternalInputNode | SinkNode;

export interface GraphEdge {
  readonly from: string;
  readonly to: string;
  /** The input of `to`: a join has two. */
  readonly port: number;
  /** Our stateless operators on the edge, in order. Plain RxJS operators are not listed. */
  readonly through: readonly string[];
}

export interface GraphStore {
  readonly name: string;
  readonly kind: string;
  readonly key: string;
  readonly value: string;
  readonly ttlMs: number | null;
  /** How long the past of its rows is kept. Left out: not at all. */
  readonly historyMs?: number;
  readonly owner: string;
}

/** The part that one task runs: nodes that share a store or are connected without a repartition topic. */
export interface SubTopology {
  /** The topic or repartition that was declared first among its sources; it names the tasks. */
  readonly id: string;
  readonly nodes: readonly string[];
  /** Topics that it reads, in order of declaration. */
  readonly topics: readonly string[];
  /** Repartitions that it reads. */
  readonly repartitions: readonly string[];
  /** Its internal inputs, as the ends of their topics' names: `reminders-timers`. Left out: none. */
  readonly internalInputs?: readonly string[];
  readonly stores: readonly string[];
}

export interface Graph {
  readonly name: string;
  readonly nodes: readonly GraphNode[];
  readonly edges: readonly GraphEdge[];
  readonly stores: readonly GraphStore[];
  readonly subTopologies: readonly SubTopology[];
  /** Sets of source ids that must have equal partition counts, because their records meet in one store. */
  readonly coPartitioned: readonly (readonly string[])[];
}

export type GraphParts = Pick<Graph, 'name' | 'nodes' | 'edges' | 'stores'>;

/** One problem of a topology, and what to write instead. */
export interface Problem {
  readonly where: string;
  readonly what: string;
  readonly advice: string;
}
