/**
 * The topology as frozen data, without closures. It is the input of `describe`, `validate`, the engine's plan
 * and the tools.
 */

import type { ResolvedPolicy } from '../model/policy/policy.js';

interface WithPolicy {
  /** Its own policy for records that fail there. Left out: that of the application. */
  readonly onError?: ResolvedPolicy;
}

export interface SourceNode extends WithPolicy {
  readonly kind: 'source';
  readonly id: string;
  readonly topic: string;
  readonly key: string;
  readonly value: string;
}

/** A table with all its rows in every process: part of no sub-topology, read by every task that joins it. */
export interface GlobalTableNode extends WithPolicy {
  readonly kind: 'globalTable';
  readonly id: string;
  readonly topic: string;
  readonly store: string;
  readonly key: string;
  readonly value: string;
}

export interface ProcessorNode extends WithPolicy {
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

export interface RepartitionNode extends WithPolicy {
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
  /** Its records have no bytes that may not decode. */
  readonly onError?: never;
}

/** What the records of an internal input are. */
export type InternalInputKind = 'timers' | 'outcomes' | 'letters';

export interface SinkNode extends WithPolicy {
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
  /** The own policies of these operators, null for one that has none. Left out: none has one. */
  readonly onError?: readonly (ResolvedPolicy | null)[];
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
