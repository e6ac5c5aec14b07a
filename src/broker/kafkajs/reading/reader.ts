import { type Clock, type Logger, silentLogger } from '../../../model/ports.js';
import { CursorSet } from '../../cursor-set.js';
import { takeFairly } from '../../fair-shares.js';
import type { PartitionOffset, PollOptions, Reader, RecordBatch, TopicPartition } from '../../port.js';
import { UnpackedBatches } from '../../record-batch/unpacked.js';
import type { Client } from '../connection/client.js';
import { brokerClosed } from '../wire/errors.js';
import { Cursor } from './cursor.js';
import { Fetcher } from './fetcher.js';
import { TELL_AFTER_MS } from './leader-silence.js';

/**
 * Reads partitions of a Kafka cluster. A {@link Fetcher}, shared by the readers of a broker, fetches ahead of
 * the polls.
 *
 * Batches may have no records, where the log has only markers or aborted records: they report that the
 * position has moved. Memory: see {@link Fetcher}. In addition, batches that decompress to more than 1 MiB
 * take up to 64 MiB plus the batch that is being read.
 *
 * Errors: see {@link Reader.poll}. BROKER_UNAVAILABLE if the leader of a partition has not responded for a
 * minute, even if other leaders respond. CONFIG_INVALID names the package of a compression that is not
 * installed. LOG_CORRUPT also for batches of formats 0 and 1 (before Kafka 0.11), which brokers no longer
 * have from 4.0 on.
 */
export class KafkaReader implements Reader {
  readonly #fetcher: Fetcher;
  /** Undefined if the fetcher is shared. */
  readonly #own: Fetcher | undefined;
  readonly #clock: Clock;
  readonly #onClose: (reader: KafkaReader) => void;
  readonly #unpacked: UnpackedBatches;
  readonly #cursors: CursorSet<Cursor>;
  #turn = 0;
  #woken = false;
  #closed = false;

  /**
   * `from`: the fetcher that it shares with other readers, or a client. With a client it has its own fetcher,
   * and closes it.
   */
  constructor(
    from: Fetcher | Client,
    committedOnly: boolean,
    onClose: (reader: KafkaReader) => void,
    logger: Logger = silentLogger,
    unpacked = new UnpackedBatches(),
  ) {
    this.#own = from instanceof Fetcher ? undefined : new Fetcher(from, committedOnly);
    this.#fetcher = this.#own ?? (from as Fetcher);
    this.#clock = from.clock;
    this.#unpacked = unpacked;
    this.#onClose = onClose;
    this.#cursors = new CursorSet({
      clock: from.clock,
      open: (position, paused) => {
        const cursor = new Cursor(position, logger, unpacked);
        cursor.paused = paused;
        this.#fetcher.add(cursor, this.#cursors.notify);
        return cursor;
      },
      close: (cursor) => this.#fetcher.remove(cursor),
    });
  }

  seek(position: PartitionOffset): void {
    if (this.#closed) throw brokerClosed();
    this.#cursors.seek(position);
  }

  remove(partitions: readonly TopicPartition[]): void {
    this.#cursors.remove(partitions);
  }

  pause(partitions: readonly TopicPartition[]): void {
    for (const cursor of this.#cursors.of(partitions)) cursor.setPaused(true);
  }

  resume(partitions: readonly TopicPartition[]): void {
    for (const cursor of this.#cursors.of(partitions)) cursor.setPaused(false);
    this.#cursors.notify();
  }

  async poll(options: PollOptions): Promise<readonly RecordBatch[]> {
    if (this.#closed) throw brokerClosed();
    this.#woken = false;
    const deadline = this.#clock.monotonic() + options.maxWaitMs;
    for (;;) {
      const batches = this.#take(options);
      void this.#fetcher.readAhead(this.#cursors.all());
      if (batches.length > 0 || this.#woken || this.#closed) return batches;
      const remaining = deadline - this.#clock.monotonic();
      for (const cursor of this.#cursors.all()) cursor.silence.tell(this.#clock.monotonic());
      if (remaining <= 0) return batches;
      await this.#cursors.wait(Math.min(remaining, TELL_AFTER_MS));
    }
  }

  wakeup(): void {
    this.#woken = true;
    this.#cursors.notify();
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#cursors.closeAll();
    await this.#own?.close();
    this.#onClose(this);
  }

  /** Takes what is ready, in fair shares. Throws before anything is taken, so an error moves no position. */
  #take({ maxRecords, maxBytes }: PollOptions): RecordBatch[] {
    const active = this.#cursors.active();
    throwFailure(active);
    const ready = active.filter((cursor) => cursor.prepare());
    const batches = takeFairly(ready, maxRecords, this.#turn++, maxBytes);
    if (batches.length > 0 || ready.length === 0) return batches;
    throwFailure(ready);
    // Batches that others have decompressed, and do not read, must not block this partition.
    this.#unpacked.makeRoom();
    const more = takeFairly(ready, maxRecords, this.#turn, maxBytes);
    if (more.length === 0) throwFailure(ready);
    return more;
  }
}

function throwFailure(cursors: readonly Cursor[]): void {
  for (const cursor of cursors) {
    const { failure } = cursor;
    cursor.failure = undefined;
    if (failure !== undefined) throw failure;
  }
}
