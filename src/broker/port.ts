/**
 * What millrace needs of a broker: four small contracts. Nothing else in `src` knows a client library.
 *
 * | contract | for |
 * |---|---|
 * | {@link Admin} | topics, log offsets, group offsets |
 * | {@link Reader} | batches from given partitions and offsets, without a group |
 * | {@link Writer} | records to topics, optionally in transactions |
 * | {@link Membership} | which tasks of a group this process has, and its committed offsets |
 *
 * Where a broker knows users, any call may fail with BROKER_UNAUTHENTICATED, or with BROKER_UNAUTHORIZED,
 * which names the right that is missing.
 *
 * The contract suite in `test/broker/contract.ts` runs against every adapter.
 */
import type { Admin } from './port/admin.js';
import type { Membership, MembershipOptions } from './port/membership.js';
import type { Reader, ReaderOptions } from './port/reader.js';
import type { Writer, WriterOptions } from './port/writer.js';

export * from './port/admin.js';
export type * from './port/membership.js';
export type * from './port/reader.js';
export * from './port/records.js';
export type * from './port/writer.js';

export interface Broker {
  readonly admin: Admin;
  createReader(options?: ReaderOptions): Promise<Reader>;
  createWriter(options?: WriterOptions): Promise<Writer>;
  /** Joins a group; resolves after the first onAssigned. */
  join(options: MembershipOptions): Promise<Membership>;
  /**
   * The same broker for somebody who may have to go: once the signal is aborted, a cluster that is away is
   * waited for a few seconds only, and whatever is asked then fails with BROKER_UNAVAILABLE. Left out where
   * the broker is part of this process. It is closed with the broker that it is made of.
   */
  withStopDeadline?(signal: AbortSignal): Broker;
  /** Closes everything that was created and not closed. Calling it again does nothing. */
  close(): Promise<void>;
}
