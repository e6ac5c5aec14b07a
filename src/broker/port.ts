/**
 * The contracts that a broker implements for millrace: four small interfaces. Nothing else in `src` depends
 * on a client library.
 *
 * | contract | for |
 * |---|---|
 * | {@link Admin} | topics, log offsets, group offsets |
 * | {@link Reader} | batches from given partitions and offsets, without a group |
 * | {@link Writer} | records to topics, optionally in transactions |
 * | {@link Membership} | which tasks of a group this process has, and its committed offsets |
 *
 * On a broker with access control, any call may fail with BROKER_UNAUTHENTICATED, or with
 * BROKER_UNAUTHORIZED, which names the missing right.
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
   * The same broker, for a caller that may be stopped. Once the signal is aborted, its calls wait only a few
   * seconds for a cluster that does not answer, then fail with BROKER_UNAVAILABLE. Left out if the broker is
   * part of this process. Closing the original broker closes this one too.
   */
  withStopDeadline?(signal: AbortSignal): Broker;
  /** Closes everything that was created and is still open. Calling it again does nothing. */
  close(): Promise<void>;
}
