/**
 * The processor contract: all that the runtime knows of what users declare.
 *
 * The topology function is run once for each task. What comes out is a {@link Declaration}: nodes with their
 * closures, and inputs that deliver records once they are connected. The runtime reads the graph of it,
 * queues what arrives at an input, and runs the processors stage by stage.
 */

import type { Graph } from '../graph/graph.js';
import type { Headers } from '../model/headers.js';
import type { SourcePosition } from '../model/record.js';
import type { OperatorStore, StoreSpec } from '../state/contract.js';
import type { AnyRecord, AnySerde, Input, Outlet, PushScope } from './push.js';
import type { Windows } from './windows/windows.js';

export type * from './push.js';

/** Raised whenever the contract changes in a way that two copies of the library cannot share a topology. */
export const CONTRACT_VERSION = 2;

/**
 * The brand of a topology. A registered symbol, because a user's file may load another copy of this library
 * than the runner.
 */
export const TOPOLOGY = Symbol.for('millrace.topology');

/** Runs the topology function again. A registered symbol for the same reason, and none for users to call. */
export const DECLARE = Symbol.for('millrace.declare');

export interface Topology {
  readonly [TOPOLOGY]: typeof CONTRACT_VERSION;
  readonly name: string;
  /** The graph, drawn once and kept. TOPOLOGY_INVALID lists every problem. */
  readonly graph: Graph;
  /**
   * Runs the topology function again: new closures, for one task. TOPOLOGY_NOT_DETERMINISTIC if it declares
   * something else than the first time.
   */
  readonly [DECLARE]: (scope: PushScope) => Declaration;
}

export interface DeclaredSource {
  readonly id: string;
  readonly topic: string;
  readonly key: AnySerde;
  readonly value: AnySerde;
  readonly timestamp?: (value: unknown, key: unknown) => number;
  /** How far ahead of stream time its records may be. Left out: any time. */
  readonly maxTimeJumpMs?: number;
  readonly outlet: Outlet;
}

/** A table of which every process has all rows. No task reads its topic. */
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

/** Writes to an internal topic and reads it again, under the new key. */
export interface DeclaredRepartition {
  readonly id: string;
  /** The user's name for it: the topic is `<application>-<name>-repartition`. */
  readonly name: string;
  readonly key: AnySerde;
  readonly value: AnySerde;
  readonly partitions?: number;
  /** What passes are changes of a table. */
  readonly table: boolean;
  /** Records without a key pass, too: a left join behind it emits them. */
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
 * Chooses the partition of a record: an integer in [0, partitions). Undefined: by the hash of the key, as
 * Kafka's own clients do.
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
 * The first moment of stream time, later than the one given, at which something becomes final that an older
 * record would still have changed. Positive infinity: there is none.
 */
export type NextClosing = (time: number) => number;

/** A stateful operator, declared: which stores, and how to make its logic for one task. */
export interface ProcessorSpec {
  /** The operator's name: `dedupe`. */
  readonly operator: string;
  /** The user's name for this one: the store's name, or the name given. */
  readonly name: string;
  /** Stores that belong to this processor. */
  readonly stores: readonly StoreSpec[];
  /**
   * Stores of other processors that it reads. It then runs in the same stage, and sees them as of its own
   * record.
   */
  readonly reads?: readonly string[];
  /** Stores of global tables that it reads: as they are when it reads them. */
  readonly globals?: readonly string[];
  /** Records of one key must meet in one task: behind a change of key, a repartition is put in front. */
  readonly keyed: boolean;
  /**
   * What the repartitions before its inputs are called, where the change of key does not say so. Default: as
   * its first store.
   */
  readonly repartitions?: readonly string[];
  /** A record without a key is not dropped on the way to it. */
  readonly takesNullKeys?: boolean;
  /**
   * It asks which way records came ({@link ProcessorContext.origin}): repartitions on the way to it carry
   * that along.
   */
  readonly asksOrigin?: boolean;
  /** How the keys of what it emits are written. Default: as those of its first input. */
  readonly emitsKey?: AnySerde;
  /**
   * The windows that the keys of what it emits belong to. Default: those of its input, unless `emitsKey` is
   * given.
   */
  readonly window?: Windows;
  /**
   * When it makes something final by stream time, so that who writes to it keeps together in time. Left out:
   * never.
   */
  readonly nextClosing?: NextClosing;
  create(context: ProcessorContext): Processor;
}

/** Collects the keys that a record will read, so that the stage reads all of them at once. */
export interface Lookups {
  /** `asOf`: of a versioned store, the moment that will be asked for or put. */
  add<K>(store: OperatorStore<K, unknown>, key: K, asOf?: number): void;
}

/** One stateful operator's logic in one task. Called by one stage, never concurrently. */
export interface Processor {
  /**
   * Declares the keys that `process` will read for this record. What it returns is handed to `process`, so
   * that nothing is computed twice.
   */
  prepare?(record: AnyRecord, port: number, lookups: Lookups): unknown;
  /**
   * Called in order of arrival. A promise is awaited before the next record: return one only where it is
   * needed.
   */
  process(record: AnyRecord, port: number, prepared: unknown): void | Promise<void>;
  /**
   * For a record that `process` threw on, once the policy goes on without it: what has to be done all the
   * same. A row that a function throws on is none, so that it leaves what it was in.
   */
  giveUp?(record: AnyRecord, port: number, prepared: unknown): void | Promise<void>;
  /** Once, after the stores were restored and before the first record. */
  start?(): void | Promise<void>;
}

export type TimerClock = 'stream' | 'wall';

/** A call to the outside world that is to be made once the batch is processed. */
export interface PendingEffect {
  /** Equal whenever the same record is processed again. */
  readonly id: string;
  readonly record: AnyRecord;
  run(idempotencyKey: string): void | Promise<void>;
}

/** A record that came earlier than the one at hand, and was kept. */
export interface OriginalRecord {
  readonly position: SourcePosition;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
}

/**
 * What a processor may ask of the engine. The record's own fields are those of the record at hand (of the
 * last one, inside a timer).
 */
export interface ProcessorContext {
  readonly taskId: string;
  readonly partition: number;
  store<K, V>(name: string): OperatorStore<K, V>;
  emit(record: AnyRecord): void;
  /** Source position of the record at hand. */
  readonly position: SourcePosition;
  /**
   * The same; undefined inside a timer of the wall clock, and of what follows from it: no record has caused
   * that.
   */
  readonly source: SourcePosition | undefined;
  /**
   * Which way the record at hand came: a text that is equal whenever it is processed again, and that no other
   * record of this processor has. Inside a timer that of its turn.
   */
  readonly origin: string;
  /**
   * A text for one draw of a random number: equal whenever what is at hand is processed again, and different
   * for each call, in every processor and application.
   */
  draw(): string;
  /**
   * Position within everything that this task handles since it was opened: equal for all that one source
   * record caused.
   */
  readonly sequence: number;
  readonly timestamp: number;
  readonly headers: Headers;
  /** The highest timestamp of this task's records up to the one at hand. */
  readonly streamTime: number;
  /** Whether the policy may go on without a record that `process` throws on. */
  readonly mayGiveUp: boolean;
  /** Milliseconds of the wall clock. Not replayable: only for timers on the wall clock. */
  readonly wallTime: number;
  /**
   * Runs every so many milliseconds, at multiples of it counted from zero; at most once however far time has
   * moved.
   */
  schedule(everyMs: number, clock: TimerClock, run: (now: number) => void | Promise<void>): () => void;
  /**
   * Sends a record that this processor does not let through to the dead letter topic: the source record at
   * hand, unless `original` says that it came earlier, and what its bytes were.
   */
  deadLetter(record: AnyRecord, error: Error, original?: OriginalRecord): void;
  /**
   * Asks for a call to the outside world, in the order of the records, before what caused it is committed. It
   * may not be made, when the past is run again.
   */
  effect(effect: PendingEffect): void;
  /** Counts a record that is dropped by rule, so that nothing is lost without a trace. */
  drop(reason: string): void;
  /** Adds to a counter of this processor, shown in the metrics. */
  count(name: string, by?: number): void;
}
