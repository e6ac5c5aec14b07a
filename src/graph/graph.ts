/**
 * The topology as frozen data: what `describe`, `validate`, the engine's plan and the tools read. Closures
 * are not part of it.
 */

export interface SourceNode {
  readonly kind: 'source';
  readonly id: string;
  readonly topic: string;
  readonly key: string;
  readonly value: string;
}

/** A table of which every process has all rows: part of no sub-topology, read by every task that joins it. */
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
  /** Stores of others that it reads. */
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

export interface SinkNode {
  readonly kind: 'sink';
  readonly id: string;
  /** Null: chosen by a function of the record. */
  readonly topic: string | null;
  readonly key: string;
  readonly value: string;
}

export type GraphNode = SourceNode | GlobalTableNode | ProcessorNode | RepartitionNode | SinkNode;

export interface GraphEdge {
  readonly from: string;
  readonly to: string;
  /** Which input of `to`: a join has two. */
  readonly port: number;
  /** Operators of ours without state that lie between, in order. Plain RxJS operators leave no trace. */
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

/**
 * What one task runs: the nodes that are connected without a repartition topic between them, or share a
 * store.
 */
export interface SubTopology {
  /** The topic or repartition that was declared first among its sources: names its tasks. */
  readonly id: string;
  readonly nodes: readonly string[];
  /** Topics it reads, in order of declaration. */
  readonly topics: readonly string[];
  /** Repartitions it reads. */
  readonly repartitions: readonly string[];
  readonly stores: readonly string[];
}

export interface Graph {
  readonly name: string;
  readonly nodes: readonly GraphNode[];
  readonly edges: readonly GraphEdge[];
  readonly stores: readonly GraphStore[];
  readonly subTopologies: readonly SubTopology[];
  /** Sets of sources (ids) that must have equal partition counts, because their records meet in one store. */
  readonly coPartitioned: readonly (readonly string[])[];
}

export type GraphParts = Pick<Graph, 'name' | 'nodes' | 'edges' | 'stores'>;

/** One thing that is wrong with a topology, and what to write instead. */
export interface Problem {
  readonly where: string;
  readonly what: string;
  readonly advice: string;
}
