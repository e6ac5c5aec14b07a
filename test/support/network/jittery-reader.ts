import {
  type BrokerRecord,
  type PartitionOffset,
  partitionKey,
  type Reader,
  type RecordBatch,
  type TopicPartition,
} from '#src/broker/port.js';
import type { Clock, Random } from '#src/model/ports.js';

/** How a network may behave. Times are virtual. */
export interface Jitter {
  /** How long an answer of a partition takes at most. */
  readonly maxDelayMs: number;
  /** How many of a hundred polls are answered by nothing, whatever there is. */
  readonly emptyAnswers: number;
  /** How many of a hundred answers take half a minute, because the leader is away. */
  readonly away: number;
  /** At most so many records an answer. */
  readonly maxRecords: number;
}

const AWAY_MS = 30_000;

/**
 * Each record is followed by an offset without a record, as a transaction of one record is by its marker. But for
 * changelogs: who owns one under at_least_once notes that all offsets in it are its own.
 */
const isMarked = (topic: string): boolean => !topic.endsWith('-changelog');

export const withMarkers = <T extends PartitionOffset>(position: T): T =>
  isMarked(position.topic) ? { ...position, offset: 2 * position.offset } : position;

/** The first record at that offset or behind it, in the log underneath. */
export const withoutMarkers = <T extends PartitionOffset>(position: T): T =>
  isMarked(position.topic) ? { ...position, offset: Math.ceil(position.offset / 2) } : position;

interface Lane extends TopicPartition {
  /** Where the next answer begins, markers counted. */
  position: number;
  readonly inner: Reader;
  /** An answer that has come, and is not taken. */
  ready: RecordBatch | undefined;
  fetching: boolean;
  paused: boolean;
  cancel: (() => void) | undefined;
}

/**
 * A reader whose partitions answer on their own: late, in any order, a few records at a time, sometimes with a move over
 * markers and no record, sometimes not at all for half a minute. It keeps the contract of a Reader.
 */
export class JitteryReader implements Reader {
  readonly #open: () => Promise<Reader>;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #jitter: Jitter;
  readonly #lanes = new Map<string, Lane>();
  readonly #waiting = new Set<() => void>();
  /** Opened ahead, because seeking is synchronous. */
  readonly #spare: Reader[];
  #woken = false;
  #closed = false;
  #failure: Error | undefined;

  private constructor(options: JitteryReaderOptions, spare: Reader[]) {
    this.#open = options.open;
    this.#clock = options.clock;
    this.#random = options.random;
    this.#jitter = options.jitter;
    this.#spare = spare;
  }

  static async create(options: JitteryReaderOptions): Promise<JitteryReader> {
    return new JitteryReader(options, [await options.open()]);
  }

  seek({ topic, partition, offset }: PartitionOffset): void {
    const before = this.#lanes.get(partitionKey(topic, partition));
    if (before) this.#end(before);
    const inner = new LateReader(this.#spare.pop(), this.#open);
    inner.seek(withoutMarkers({ topic, partition, offset }));
    this.#lanes.set(partitionKey(topic, partition), {
      topic,
      partition,
      position: offset,
      inner,
      ready: undefined,
      fetching: false,
      paused: before?.paused ?? false,
      cancel: undefined,
    });
    this.#notify();
  }

  remove(partitions: readonly TopicPartition[]): void {
    for (const { topic, partition } of partitions) {
      const lane = this.#lanes.get(partitionKey(topic, partition));
      if (lane) this.#end(lane);
      this.#lanes.delete(partitionKey(topic, partition));
    }
  }

  pause(partitions: readonly TopicPartition[]): void {
    this.#setPaused(partitions, true);
  }

  resume(partitions: readonly TopicPartition[]): void {
    this.#setPaused(partitions, false);
    this.#notify();
  }

  async poll({ maxRecords, maxWaitMs }: { maxRecords: number; maxWaitMs: number }): Promise<readonly RecordBatch[]> {
    this.#woken = false;
    const deadline = this.#clock.monotonic() + maxWaitMs;
    for (const lane of this.#lanes.values()) this.#fetch(lane);
    if (this.#chance(this.#jitter.emptyAnswers)) return [];
    for (;;) {
      if (this.#failure) throw this.#failed();
      const batches = this.#take(maxRecords);
      if (batches.length > 0 || this.#woken || this.#closed) return batches;
      const left = deadline - this.#clock.monotonic();
      if (left <= 0) return [];
      await this.#wait(left);
      for (const lane of this.#lanes.values()) this.#fetch(lane);
    }
  }

  wakeup(): void {
    this.#woken = true;
    this.#notify();
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const lane of this.#lanes.values()) this.#end(lane);
    this.#lanes.clear();
    for (const reader of this.#spare.splice(0)) await reader.close();
    this.#notify();
  }

  #failed(): Error {
    const failure = this.#failure as Error;
    this.#failure = undefined;
    return failure;
  }

  #chance(ofHundred: number): boolean {
    return this.#random() * 100 < ofHundred;
  }

  /** Some of what is ready, in any order. */
  #take(maxRecords: number): RecordBatch[] {
    const taken: RecordBatch[] = [];
    let left = maxRecords;
    const ready = [...this.#lanes.values()].filter(({ ready, paused }) => ready && !paused);
    while (ready.length > 0 && left > 0) {
      const [lane] = ready.splice(Math.floor(this.#random() * ready.length), 1);
      if (!lane?.ready || (taken.length > 0 && this.#chance(30))) continue;
      const { records } = lane.ready;
      if (records.length > left) {
        const some = records.slice(0, left);
        const next = records[left] as BrokerRecord;
        taken.push({ ...lane.ready, records: some, nextOffset: next.offset });
        lane.ready = { ...lane.ready, records: records.slice(left) };
      } else {
        taken.push(lane.ready);
        lane.ready = undefined;
      }
      left -= Math.min(left, Math.max(1, records.length));
    }
    return taken;
  }

  /** Asks for the next answer of a partition, unless one is there or under way. */
  #fetch(lane: Lane): void {
    if (lane.fetching || lane.ready || lane.paused || this.#closed) return;
    lane.fetching = true;
    const isGone = (): boolean => this.#lanes.get(partitionKey(lane.topic, lane.partition)) !== lane;
    const answer = async (): Promise<void> => {
      const maxRecords = 1 + Math.floor(this.#random() * this.#jitter.maxRecords);
      // The log may lie open at a marker: the answer is then a move, and no record.
      const [batch] = await lane.inner.poll({ maxRecords, maxWaitMs: isAtMarker(lane) ? 0 : 1_000 });
      if (isGone()) return;
      const next = this.#next(lane, batch);
      if (next) {
        const delay = this.#chance(this.#jitter.away) ? AWAY_MS : Math.floor(this.#random() * this.#jitter.maxDelayMs);
        await new Promise<void>((resolve) => {
          lane.cancel = this.#clock.after(delay, resolve);
        });
        if (isGone()) return;
        lane.position = next.nextOffset;
        lane.ready = next;
      }
      lane.fetching = false;
      this.#notify();
    };
    answer().catch((error: Error) => {
      lane.fetching = false;
      if (isGone()) return;
      this.#failure = error;
      this.#notify();
    });
  }

  #next(lane: Lane, batch: RecordBatch | undefined): RecordBatch | undefined {
    const { topic, partition } = lane;
    const records = (batch?.records ?? []).map(withMarkers);
    const last = records.at(-1);
    const latest = batch && withMarkers({ ...batch, offset: batch.latestOffset }).offset;
    const marker = isAtMarker(lane) ? 1 : 0;
    const latestOffset = latest ?? lane.position + marker;
    if (!last) {
      if (marker === 0) return undefined;
      return { topic, partition, records, nextOffset: lane.position + 1, latestOffset };
    }
    // What follows the record comes with it, or alone.
    const withMarker = isMarked(topic) && this.#chance(50);
    return { topic, partition, records, nextOffset: last.offset + (withMarker ? 2 : 1), latestOffset };
  }

  #end(lane: Lane): void {
    lane.cancel?.();
    void lane.inner.close();
  }

  #setPaused(partitions: readonly TopicPartition[], paused: boolean): void {
    for (const { topic, partition } of partitions) {
      const lane = this.#lanes.get(partitionKey(topic, partition));
      if (lane) lane.paused = paused;
    }
  }

  readonly #notify = (): void => {
    for (const done of [...this.#waiting]) done();
  };

  #wait(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        cancel?.();
        this.#waiting.delete(done);
        resolve();
      };
      const cancel = Number.isFinite(ms) ? this.#clock.after(ms, done) : undefined;
      this.#waiting.add(done);
    });
  }
}

export interface JitteryReaderOptions {
  readonly open: () => Promise<Reader>;
  readonly clock: Clock;
  readonly random: Random;
  readonly jitter: Jitter;
}

const isAtMarker = ({ topic, position }: Lane): boolean => isMarked(topic) && position % 2 === 1;

/** A reader of one partition that is opened when it is first polled, if none is at hand. */
class LateReader implements Reader {
  #reader: Reader | undefined;
  readonly #open: () => Promise<Reader>;
  #position: PartitionOffset | undefined;
  #closed = false;

  constructor(reader: Reader | undefined, open: () => Promise<Reader>) {
    this.#reader = reader;
    this.#open = open;
  }

  seek(position: PartitionOffset): void {
    this.#position = position;
  }

  remove(): void {}
  pause(): void {}
  resume(): void {}
  wakeup(): void {}

  async poll(options: { maxRecords: number; maxWaitMs: number }): Promise<readonly RecordBatch[]> {
    this.#reader ??= await this.#open();
    if (this.#closed) await this.#reader.close();
    if (this.#closed) return [];
    if (this.#position) this.#reader.seek(this.#position);
    this.#position = undefined;
    return this.#reader.poll(options);
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#reader?.close();
  }
}
