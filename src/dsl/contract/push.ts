import type { ResolvedPolicy } from '../../model/policy/policy.js';
import type { StreamRecord } from '../../model/record.js';
import type { Serde } from '../../serdes/serde.js';

// biome-ignore lint/suspicious/noExplicitAny: nodes carry records of any key and value; their closures know the types
export type AnyRecord = StreamRecord<any, any>;
// biome-ignore lint/suspicious/noExplicitAny: as above
export type AnySerde = Serde<any>;

/**
 * The position of the engine while it pushes. It travels here and not in the record, so an RxJS operator that
 * copies a record without a field cannot lose it. One object per task; the engine writes it, inputs read it.
 */
export interface PushScope {
  /**
   * True while plain operators process a record. A record that arrives at an input otherwise was emitted
   * late.
   */
  pushing: boolean;
  /** The index in the batch of the record being pushed. */
  index: number;
  /** The key under which the record was pushed. */
  key: unknown;
  /** The node that pushed. */
  from: string;
  /**
   * The policies that continue without the current change, which caused errors. The change is pushed again,
   * and a row function that throws under one of them now makes no row. Undefined in the set stands for the
   * policy of the application, a policy for the operator that has it.
   */
  givenUp?: GivenUp | undefined;
  /** Makes a serde usable where the topology uses it. Left out where nothing is encoded or decoded. */
  readonly bind?: (serde: AnySerde, use: SerdeUse) => AnySerde;
  /** Called by an input for an error that no longer belongs to a record: a late emission, a hidden edge. */
  fail(error: Error): void;
}

/** The policies that have given up a change. */
export type GivenUp = ReadonlySet<ResolvedPolicy | undefined>;

/**
 * What a topology uses a serde for: a source topic, the topic of a global table (which encodes the keys
 * again), a sink topic, a store, or a repartition topic. `name` is undefined if each record chooses its
 * topic. Stores and repartitions are internal: they encode and decode.
 */
export interface SerdeUse {
  readonly of: 'source' | 'globalTable' | 'sink' | 'store' | 'repartition';
  readonly name: string | undefined;
  readonly side: 'key' | 'value';
}

/** Receives the records of an input. */
export interface Receiver {
  /** Must not throw: the caller is inside the user's RxJS operators. */
  next(record: AnyRecord, index: number): void;
  /**
   * An operator before this input threw on the current record. The input has already subscribed again. `own`:
   * the policy of that operator, if it has one of its own.
   */
  error(error: unknown, index: number, own: ResolvedPolicy | undefined): void;
}

/** One subscription of a node to its piped input. */
export interface Input {
  readonly node: string;
  readonly port: number;
  connect(receiver: Receiver): void;
}

/** Where a node delivers its records to its subscribers. */
export interface Outlet {
  readonly node: string;
  /** Whether there is a subscriber: without one, records need not be made. */
  readonly used: boolean;
  /** Delivers to every subscriber, synchronously. */
  push(record: AnyRecord): void;
  /** Delivers to the subscriptions of these nodes only, to retry a record. */
  pushTo(record: AnyRecord, nodes: readonly string[]): void;
}
