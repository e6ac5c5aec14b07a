/**
 * The processor contract: the runtime's whole view of a user's declaration.
 *
 * The topology function runs once for each task. The result is a {@link Declaration}: nodes with their
 * closures, and inputs that deliver records once they are connected. The runtime reads its graph, queues the
 * records that arrive at an input, and runs the processors stage by stage.
 */

import type { Graph, InternalInputKind } from '../../graph/graph.js';
import type { OperatorStore, StoreSpec } from '../../state/contract.js';
import type { Windows } from '../windows/windows.js';
import type { ProcessorContext } from './context.js';
import type { PolicyOptions } from './policy-options.js';
import type { AnyRecord, AnySerde, Input, Outlet, PushScope } from './push.js';

export type * from './context.js';
export type * from './push.js';

/**
 * Raised whenever the contract changes in a way that prevents two copies of the library from sharing a
 * topology.
 */
export const CONTRACT_VERSION = 3;

/**
 * The brand of a topology. It is a registered symbol, because a user's file may load another copy of this
 * library than the runner.
 */
export const TOPOLOGY = Symbol.for('millrace.topology');

/** The method that runs the topology function again. A registered symbol too; users do not call it. */
export const DECLARE = Symbol.for('millrace.declare');

export interface Topology {
  readonly [TOPOLOGY]: typeof CONTRACT_VERSION;
  readonly name: string;
  /** The graph, drawn once and cached. TOPOLOGY_INVALID lists every problem. */
  readonly graph: Graph;
  /**
   * Runs the topology function again to make new closures for one task. TOPOLOGY_NOT_DETERMINISTIC if it
   * declares something other than the first time.
   */
  readonly [DECLARE]: (scope: PushScope) => Declaration;
}

export interface DeclaredSource {
  readonly id: string;
  readonly topic: string;
  readonly key: AnySerde;
  readonly value: AnySerde;
  readonly timestamp?: (value: unknown, key: unknown) => number;
  /** How far ahead of stream time its records may be. Left out: any distance. */
  readonly maxTimeJumpMs?: number;
  readonly outlet: Outlet;
}

/** A table with all its rows in every process. No task reads its topic. */
export interface DeclaredGlobalTable {
  readonly id: string;
  readonly topic: string;
  readonly store: string;
  readonly key: AnySerde;
  readonly value: AnySerde;
  readonly timestamp?: (value: unknown, key: unknown) => number;
}

export interface DeclaredProcessor {
  readonly id: string;
  readonly spec: ProcessorSpec;
  readonly inputs: readonly Input[];
  readonly outlet: Outlet;
}

/** Writes records to an internal topic and reads them again, under the new key. */
export interface DeclaredRepartition {
  readonly id: string;
  /** The user's name for it: the topic is `<application>-<name>-repartition`. */
  readonly name: string;
  readonly key: AnySerde;
  readonly value: AnySerde;
  readonly partitions?: number;
  /** The records are changes of a table. */
  readonly table: boolean;
  /** Records without a key pass too: a following left join emits them. */
  readonly keepsNullKeys?: boolean;
  readonly partition?: Partitioner;
  readonly input: Input;
  readonly outlet: Outlet;
}

export interface DeclaredSink {
  readonly id: string;
  readonly topic: string | ((record: AnyRecord) => string);
  readonly key: AnySerde;
  readonly value: AnySerde;
  readonly partition?: Partitioner;
  readonly input: Input;
}

/**
 * Chooses the partition of a record: an integer in [0, partitions). Undefined: the hash of the key, as in
 * Kafka's own clients.
 */
export type Partitioner = (record: AnyRecord, partitions: number) => number | undefined;

export interface Declaration {
  readonly sources: readonly DeclaredSource[];
  readonly globalTables: readonly DeclaredGlobalTable[];
  readonly processors: readonly DeclaredProcessor[];
  readonly repartitions: readonly DeclaredRepartition[];
  readonly sinks: readonly DeclaredSink[];
}

/**
 * The first moment of stream time after `time` at which something becomes final that an older record could
 * still have changed. Positive infinity: there is none.
 */
export type NextClosing = (time: number) => number;

/** The declaration of a stateful operator: its stores, and how to create its logic for one task. */
export interface ProcessorSpec extends PolicyOptions {
  /** The operator's name: `dedupe`. */
  readonly operator: string;
  /** The user's name for this node: the store's name, or the given name. */
  readonly name: string;
  /** Stores that belong to this processor. */
  readonly stores: readonly StoreSpec[];
  /**
   * Stores of other processors that it reads. It then runs in the same stage, and sees them as of its current
   * record.
   */
  readonly reads?: readonly string[];
  /** Stores of global tables that it reads, as they are at that moment. */
  readonly globals?: readonly string[];
  /** Records of one key must meet in one task: after a key change, a repartition is inserted. */
  readonly keyed: boolean;
  /**
   * The names of the repartitions before its inputs, used if the key change gives none. Default: the name of
   * its first store.
   */
  readonly repartitions?: readonly string[];
  /** A record without a key is not dropped before it reaches the processor. */
  readonly takesNullKeys?: boolean;
  /**
   * The processor uses the path of records ({@link ProcessorContext.origin}), so repartitions before it must
   * carry the path along.
   */
  readonly asksOrigin?: boolean;
  /**
   * Its internal inputs. Their records arrive at the ports after those of its inputs, as {@link AnyRecord}s
   * with bytes as key and value.
   */
  readonly internalInputs?: readonly InternalInputSpec[];
  /** The key serde of the emitted records. Default: the first input's. */
  readonly emitsKey?: AnySerde;
  /** The value serde of the emitted records, for a repartition after it. Default: that of the key change. */
  readonly emitsValue?: AnySerde;
  /** The windows of the emitted keys. Default: the input's, unless `emitsKey` is set. */
  readonly window?: Windows;
  /**
   * When it makes something final by stream time. Upstream writers use this to stay together in time. Left
   * out: never.
   */
  readonly nextClosing?: NextClosing;
  create(context: ProcessorContext): Processor;
}

/** Collects the keys that a record will read, so that the stage reads all of them at once. */
export interface Lookups {
  /** `asOf`: for a versioned store, the moment of the later read or write. */
  add<K>(store: OperatorStore<K, unknown>, key: K, asOf?: number): void;
}

/** The logic of one stateful operator in one task. One stage calls it, never concurrently. */
export interface Processor {
  /**
   * Declares the keys that `process` will read for this record. The result is passed to `process`, so that
   * nothing is computed twice.
   */
  prepare?(record: AnyRecord, port: number, lookups: Lookups): unknown;
  /**
   * Called in order of arrival. A returned promise is awaited before the next record: return one only if
   * needed.
   */
  process(record: AnyRecord, port: number, prepared: unknown): void | Promise<void>;
  /**
   * Called for a record on which `process` threw, if the policy continues without it. It does the work that
   * is still needed: a row for which a function throws is removed from where it was.
   */
  giveUp?(record: AnyRecord, port: number, prepared: unknown): void | Promise<void>;
  /** Called once, after the stores were restored and before the first record. */
  start?(): void | Promise<void>;
}

/**
 * A topic in which an operator notes what does not come from its input, and reads it back: see
 * {@link ProcessorContext.note}.
 */
export interface InternalInputSpec {
  /** With {@link holds}, the end of the topic's name: `<application>-<name>-<holds>`. */
  readonly name: string;
  readonly holds: InternalInputKind;
}
