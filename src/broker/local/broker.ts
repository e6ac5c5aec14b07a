import { messageOf } from '../../model/errors.js';
import { type Clock, type Logger, silentLogger } from '../../model/ports.js';
import type { Admin, Broker, Membership, Reader, ReaderOptions, WriterOptions } from '../port.js';
import { LocalAdmin } from './admin.js';
import { closedBroker } from './commit-queue.js';
import { compact } from './compaction.js';
import { Groups } from './group.js';
import { Log } from './log.js';
import type { LocalMember, LocalMemberOptions } from './member.js';
import type { PartitionLog } from './partition-log.js';
import { LocalReader } from './reader.js';
import { applyRetention } from './retention.js';
import type { LogStorage } from './storage.js';
import { LocalWriter, TransactionalIds } from './writer.js';

export interface LocalBrokerOptions {
  readonly clock: Clock;
  readonly logger?: Logger;
}

/** The state that all connections of a local broker share. */
export class LocalCore {
  readonly groups: Groups;
  readonly admin: LocalAdmin;
  readonly transactionalIds = new TransactionalIds();
  readonly clock: Clock;
  readonly #logger: Logger;
  #maintaining: Promise<unknown> = Promise.resolve();
  #closing = false;

  constructor(
    readonly log: Log,
    options: LocalBrokerOptions,
  ) {
    this.clock = options.clock;
    this.#logger = options.logger ?? silentLogger;
    this.groups = new Groups(log);
    this.admin = new LocalAdmin(log, this.groups);
  }

  static async open(storage: LogStorage, options: LocalBrokerOptions): Promise<LocalCore> {
    return new LocalCore(await Log.open(storage, options.clock), options);
  }

  /**
   * Runs retention and compaction, one run at a time. With `whenDirty`, a partition is compacted only if it
   * has enough new records (`min.cleanable.dirty.ratio`).
   */
  maintain(options: { readonly whenDirty: boolean }): Promise<{ removedRecords: number }> {
    const run = this.#maintaining.then(() => this.#maintain(options.whenDirty));
    this.#maintaining = run.catch(() => undefined);
    return run;
  }

  /** Finishes the current partition's maintenance and all writes, then closes the storage. */
  async close(): Promise<void> {
    this.#closing = true;
    await this.#maintaining;
    await this.log.queue.close();
    await this.log.storage.close();
  }

  async #maintain(whenDirty: boolean): Promise<{ removedRecords: number }> {
    let removedRecords = 0;
    for (const topic of [...this.log.topics()]) {
      for (const partition of topic.partitions) {
        if (topic.deleted || this.#closing) break;
        const now = this.clock.now();
        removedRecords += await applyRetention(this.log, partition, now);
        const { dirtyBytes, bytes } = partition.state;
        if (!whenDirty || dirtyBytes >= bytes * topic.settings.minCleanableDirtyRatio)
          removedRecords += await compact(this.log, partition, now);
      }
    }
    if (removedRecords > 0) this.#logger.info({ removedRecords }, 'removed records by retention and compaction');
    return { removedRecords };
  }

  /** Like `maintain`, for a timer: logs a failure, because no caller waits for the result. */
  async maintainQuietly(): Promise<void> {
    try {
      await this.maintain({ whenDirty: true });
    } catch (error) {
      this.#logger.warn(
        { error: messageOf(error) },
        'retention and compaction of the local log failed; trying again later',
      );
    }
  }
}

/**
 * One connection to a local broker, comparable to one process of a cluster. Its readers, writers and members
 * end with it: in order with `close`, or as in a process crash with `crash`.
 */
export class LocalConnection implements Broker {
  readonly #core: LocalCore;
  readonly #readers = new Set<Reader>();
  readonly #writers = new Set<LocalWriter>();
  readonly #members = new Set<LocalMember>();
  #closing: Promise<void> | undefined;

  constructor(core: LocalCore) {
    this.#core = core;
  }

  get admin(): Admin {
    return this.#core.admin;
  }

  async createReader(_options?: ReaderOptions): Promise<Reader> {
    this.#check();
    const reader = new LocalReader<PartitionLog>(this.#core.log, this.#core.clock, (closed) =>
      this.#readers.delete(closed),
    );
    this.#readers.add(reader);
    return reader;
  }

  async createWriter(options: WriterOptions = {}): Promise<LocalWriter> {
    this.#check();
    const { log, groups, transactionalIds } = this.#core;
    const { transactionalId, onResult, onRefused } = options;
    const onClose = (closed: LocalWriter): void => {
      this.#writers.delete(closed);
    };
    const told = { onResult, onRefused, onClose };
    const writer = new LocalWriter({
      log,
      clock: this.#core.clock,
      groups,
      transactionalIds,
      transactionalId,
      ...told,
    });
    this.#writers.add(writer);
    // Waits for a running commit of the fenced writer to finish before the new writer exists. What its owner
    // reads next is therefore final.
    if (transactionalId !== undefined) await log.queue.barrier();
    return writer;
  }

  async join(options: LocalMemberOptions): Promise<Membership> {
    this.#check();
    const member = this.#core.groups.join(options);
    this.#members.add(member);
    void member.removed.then(() => this.#members.delete(member));
    return member.joined;
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  /** Removes its members from their groups, as if their sessions had timed out. */
  evictMembers(): void {
    for (const member of [...this.#members]) this.#core.groups.evict(member.memberId);
  }

  /**
   * Ends at once: members are removed (`onLost`) without a revocation; open transactions and unwritten
   * records are lost.
   */
  crash(): void {
    this.#closing ??= Promise.resolve();
    this.evictMembers();
    for (const writer of [...this.#writers]) writer.drop();
    for (const reader of [...this.#readers]) void reader.close();
  }

  async #close(): Promise<void> {
    const results = await Promise.allSettled([...this.#members].map((member) => member.leave()));
    results.push(...(await Promise.allSettled([...this.#writers].map((writer) => writer.close()))));
    await Promise.all([...this.#readers].map((reader) => reader.close()));
    const failed = results.find((result) => result.status === 'rejected');
    if (failed) throw failed.reason;
  }

  #check(): void {
    if (this.#closing) throw closedBroker();
  }
}

/** A local broker: a connection that also owns the broker and creates further connections. */
export class LocalBroker extends LocalConnection {
  protected readonly core: LocalCore;
  readonly #connections = new Set<LocalConnection>();

  constructor(core: LocalCore) {
    super(core);
    this.core = core;
  }

  /** The state that its connections share. */
  get shared(): LocalCore {
    return this.core;
  }

  /** Another connection to the same log: its `close` and `crash` end only what it created. */
  connect(): LocalConnection {
    const connection = new LocalConnection(this.core);
    this.#connections.add(connection);
    return connection;
  }

  /**
   * Removes a member from its group as if its session had timed out: `onLost`, then a rebalance of the
   * others. Does nothing for an unknown member.
   */
  evict(memberId: string): void {
    this.core.groups.evict(memberId);
  }

  /** Resolves when no group is rebalancing. */
  settled(): Promise<void> {
    return this.core.groups.settled();
  }

  /**
   * Applies `cleanup.policy` to all topics now: `delete` by retention.ms and retention.bytes, `compact` by
   * key. The offsets of the remaining records do not change, and the newest record of a partition always
   * stays.
   */
  maintain(): Promise<{ removedRecords: number }> {
    return this.core.maintain({ whenDirty: false });
  }

  override async close(): Promise<void> {
    for (const connection of this.#connections) await connection.close();
    this.#connections.clear();
    await super.close();
    await this.core.close();
  }
}
