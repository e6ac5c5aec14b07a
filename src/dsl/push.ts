import type { StreamRecord } from '../model/record.js';
import type { Serde } from '../serdes/serde.js';

// biome-ignore lint/suspicious/noExplicitAny: nodes carry records of any key and value; their closures know the types
export type AnyRecord = StreamRecord<any, any>;
// biome-ignore lint/suspicious/noExplicitAny: as above
export type AnySerde = Serde<any>;

/**
 * Where the engine is, while it pushes: an RxJS operator that copies a record and forgets a field cannot lose
 * it, because it travels here. One object a task; written by the engine, read by inputs.
 */
export interface PushScope {
  /**
   * True while a record is on its way through plain operators. What arrives at an input while it is false was
   * emitted late.
   */
  pushing: boolean;
  /** Position in the batch of the record being pushed. */
  index: number;
  /** The key under which the record was pushed. */
  key: unknown;
  /** The node that pushed. */
  from: string;
  /**
   * The policy goes on without what threw: a change of a table is pushed once more, and what throws now makes
   * no row.
   */
  givenUp?: boolean;
  /** Makes a serde usable where the topology uses it; left out where nothing is encoded or decoded. */
  readonly bind?: (serde: AnySerde, use: SerdeUse) => AnySerde;
  /** Called by an input for what can no longer be tied to a record: a late emission, a hidden edge. */
  fail(error: Error): void;
}

/**
 * What a topology uses a serde for: a topic that it reads, one that is read into a global table (whose keys
 * are written anew), one that it writes (undefined if each record says which), a store, a repartition topic.
 * Stores and repartitions are internal: both ways.
 */
export interface SerdeUse {
  readonly of: 'source' | 'globalTable' | 'sink' | 'store' | 'repartition';
  readonly name: string | undefined;
  readonly side: 'key' | 'value';
}

/** Receives what arrives at an input. */
export interface Receiver {
  /** Must not throw: it is called from inside the user's RxJS operators. */
  next(record: AnyRecord, index: number): void;
  /**
   * An operator before this input threw on the record that is being pushed; the input has already subscribed
   * again.
   */
  error(error: unknown, index: number): void;
}

/** One subscription of a node to what the user piped into it. */
export interface Input {
  readonly node: string;
  readonly port: number;
  connect(receiver: Receiver): void;
}

/** Where a node hands its records to whoever subscribed. */
export interface Outlet {
  readonly node: string;
  /** Whether anybody listens: a record nobody wants need not be made. */
  readonly used: boolean;
  /** Delivers to every subscriber, synchronously. */
  push(record: AnyRecord): void;
  /** Delivers to the subscriptions of one node only: for trying a record again. */
  pushTo(record: AnyRecord, node: string): void;
}
