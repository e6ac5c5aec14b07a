import type { Broker, BrokerRecord, PartitionOffset, RecordBatch, TopicPartition } from '../../broker/port.js';
import { changelogTopic } from '../../graph/naming.js';
import type { DatabaseWrite } from '../../model/database.js';
import type { Clock } from '../../model/ports.js';
import type { ReadLog } from '../../state/directory/checkpoint.js';
import type { LoggedRow } from '../../state/store/restore-rows.js';
import type { TaskState } from '../../state/store/task-state.js';
import { causeOf } from '../changelog/change-log.js';
import type { Overtaken } from '../changelog/overtaken.js';
import type { EngineConfig } from '../config/config.js';
import type { ResumePositions } from '../offsets/resume-positions.js';
import { compactionOf, type LogNow } from '../topics/stale-stores.js';
import { describeTopics } from '../topics/topic-problems.js';
import { LeftOut } from './left-out.js';
import type { UnfinishedChanges } from './unfinished-changes.js';

export interface RestoreOptions {
  readonly broker: Broker;
  readonly clock: Clock;
  readonly config: Pick<EngineConfig, 'guarantee' | 'commitRecords' | 'batchRecords' | 'logger'>;
  readonly state: TaskState;
  readonly taskId: string;
  readonly prefix: string;
  readonly partition: number;
  /** Where the sources resume that changes may come from. */
  readonly places: ResumePositions;
  /** Committed next offset of each source partition; partitions without one are left out. */
  readonly committed: readonly PartitionOffset[];
  /** Stops the restore early; what was restored stays. */
  readonly signal: AbortSignal;
  /** Called with the number of records left. */
  readonly onProgress: (left: number, restored: number) => void;
}

/** A task's partition of the changelog of one of its stores, in its current state. */
export interface Changelog extends LogNow {
  readonly store: string;
  readonly topic: string;
}

/** Records that are read from a changelog and written to the database together. */
const RESTORE_BATCH = 2_000;

export async function describeChangelogs({
  broker,
  state,
  prefix,
  partition,
}: RestoreOptions): Promise<readonly Changelog[]> {
  const stores = Array.from(state.stores, ({ name }) => ({ store: name, topic: changelogTopic(prefix, name) }));
  const partitions: TopicPartition[] = stores.map(({ topic }) => ({ topic, partition }));
  const [{ existing }, earliest, latest] = await Promise.all([
    describeTopics(
      broker.admin,
      stores.map(({ topic }) => topic),
    ),
    broker.admin.earliestOffsets(partitions),
    // The offset of the next record. The reader waits for transactions that are still open before it.
    broker.admin.latestOffsets(partitions, 'read_uncommitted'),
  ]);
  const firsts = new Map(earliest.map(({ topic, offset }) => [topic, offset]));
  const ends = new Map(latest.map(({ topic, offset }) => [topic, offset]));
  return stores.map(({ store, topic }) => ({
    store,
    topic,
    topicId: existing.get(topic)?.id,
    compaction: compactionOf(existing.get(topic)),
    first: firsts.get(topic) ?? 0,
    end: ends.get(topic) ?? 0,
  }));
}

/** The state of reading one changelog. */
interface Place extends Changelog {
  offset: number;
  log: ReadLog;
  readonly leftOut: LeftOut;
  /** Topics that rows of it come from, and that the task does not read. */
  readonly foreign: Set<string>;
}

/** What is known before the changelogs are read. */
export interface RestoreFacts {
  readonly unfinished: UnfinishedChanges;
  readonly overtaken: Overtaken;
  /** Whether it is unknown until the end if the rows can be kept. */
  readonly doubtful: boolean;
  readonly begun: number;
  readonly streamTime: number;
  readonly emptied: string | undefined;
  /** What the directory contained of sources in which the group has lost its position. */
  readonly contained: Readonly<Record<string, number>>;
}

/**
 * Reads the changelogs of a task in parallel, from the positions of its stores to their ends, into its
 * database.
 */
export class ChangelogReading {
  readonly #options: RestoreOptions;
  readonly #unfinished: UnfinishedChanges;
  readonly #overtaken: Overtaken;
  readonly #facts: RestoreFacts;
  readonly #places: ReadonlyMap<string, Place>;

  constructor(options: RestoreOptions, changelogs: readonly Changelog[], facts: RestoreFacts) {
    this.#options = options;
    this.#unfinished = facts.unfinished;
    this.#overtaken = facts.overtaken;
    this.#facts = facts;
    const { logs, ...checkpoint } = options.state.checkpoint;
    const positions = new Map(Object.entries(checkpoint.changelogs));
    this.#places = new Map(
      changelogs.map((changelog) => {
        const { store, topic, topicId, first } = changelog;
        const log = logs.get(store) ?? { asOf: facts.begun, partial: true };
        const offset = Math.max(positions.get(store) ?? 0, first);
        return [
          topic,
          {
            ...changelog,
            offset,
            log: { ...log, topicId: topicId ?? log.topicId },
            leftOut: new LeftOut(),
            foreign: new Set(),
          },
        ];
      }),
    );
  }

  /** The offset up to which each changelog was read, by topic. */
  get ends(): ReadonlyMap<string, number> {
    return new Map(Array.from(this.#places, ([topic, { offset }]) => [topic, offset]));
  }

  /** The keys with a last change that was left out, by store. */
  get leftOut(): readonly (readonly [store: string, keys: readonly Buffer[]])[] {
    return Array.from(this.#places.values(), ({ store, leftOut }) => [store, leftOut.keys] as const);
  }

  /**
   * Returns the number of records read.
   *
   * @param sources The source offsets up to which the rows contain everything.
   */
  async run(sources: Readonly<Record<string, number>>): Promise<number> {
    const { broker, state, partition, signal, onProgress } = this.#options;
    const open = new Set<Place>();
    let restored = 0;
    const reader = await broker.createReader({ isolation: 'read_committed' });
    try {
      for (const place of this.#places.values()) {
        if (place.offset >= place.end) continue;
        open.add(place);
        reader.seek({ topic: place.topic, partition, offset: place.offset });
      }
      onProgress(left(open), restored);
      while (open.size > 0 && !signal.aborted) {
        const writes: DatabaseWrite[] = [];
        for (const batch of await reader.poll({ maxRecords: RESTORE_BATCH, maxWaitMs: 500 })) {
          const place = this.#places.get(batch.topic) as Place;
          state.cached(place.store).restore(await this.#rows(batch, place), writes);
          restored += batch.records.length;
          place.offset = batch.nextOffset;
          if (place.offset < place.end) continue;
          open.delete(place);
          reader.remove([{ topic: place.topic, partition }]);
        }
        // The remaining records are only scanned, to find how far they go.
        if (!this.#unfinished.refused) await this.#apply(writes, sources);
        onProgress(left(open), restored);
      }
    } finally {
      await reader.close();
    }
    return restored;
  }

  /** Everything is read: the stores are as of the start of the restore. */
  async finish(sources: Readonly<Record<string, number>>): Promise<void> {
    for (const place of this.#places.values()) place.log = { topicId: place.log.topicId, asOf: this.#facts.begun };
    await this.#apply([], sources, true);
  }

  /** Logs stores that were made from a topic that another sub-topology reads, or none reads any more. */
  tellOfMoves(): void {
    const { taskId, partition, config } = this.#options;
    for (const { store, foreign } of this.#places.values()) {
      if (foreign.size === 0) continue;
      const topics = [...foreign].sort().join(', ');
      config.logger.info(
        { task: taskId, partition, store },
        `store ${store} was made from ${topics}, which its sub-topology does not read: it is restored from its changelog as it is`,
      );
    }
  }

  /** The rows of a batch that come from finished commits, and from owners that were not overtaken. */
  async #rows({ records }: RecordBatch, place: Place): Promise<readonly LoggedRow[]> {
    const { places } = this.#options;
    const causes = records.map(({ headers }) => causeOf(headers));
    const looking = places.known(causes.flatMap((cause) => cause?.topic ?? []));
    if (looking) await looking;
    return records.filter((record, i): record is BrokerRecord & { readonly key: Buffer } => {
      const cause = causes[i];
      const isOut =
        cause !== undefined &&
        (this.#overtaken.has(place.store, cause) || this.#unfinished.isLeftOut(cause, place.store, record));
      if (record.key === null) return false;
      if (isOut) {
        place.leftOut.leave(record.key, record.offset);
        return false;
      }
      place.leftOut.take(record.key);
      if (cause && cause.topic !== '' && !places.isOwn(cause.topic)) place.foreign.add(cause.topic);
      return true;
    });
  }

  /**
   * If sources are doubtful or without an offset, only the end shows whether the rows can be kept. Until
   * then, the checkpoint only says what it said before.
   */
  #apply(writes: DatabaseWrite[], sources: Readonly<Record<string, number>>, finished = false): Promise<void> {
    const { doubtful, contained, emptied, streamTime } = this.#facts;
    const isKnown = Object.keys(contained).length === 0 && this.#unfinished.withoutOffset.length === 0;
    const isSure = finished || (!doubtful && isKnown);
    const sure = isSure ? [...this.#places.values()] : [];
    const checkpoint = {
      sources: sure.length === 0 ? contained : sources,
      changelogs: Object.fromEntries(sure.map(({ store, offset, leftOut }) => [store, leftOut.position(offset)])),
      logs: new Map(sure.map(({ store, log }) => [store, log])),
      emptied,
      epochs: sure.length === 0 ? {} : this.#overtaken.newest,
    };
    return this.#options.state.apply(writes, checkpoint, streamTime);
  }
}

const left = (open: ReadonlySet<Place>): number => {
  let records = 0;
  for (const { offset, end } of open) records += Math.max(0, end - offset);
  return records;
};
