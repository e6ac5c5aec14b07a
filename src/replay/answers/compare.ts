import type { BrokerRecord } from '../../broker/port.js';
import type { AnySerde, Topology } from '../../dsl/contract/processor.js';
import { systemClock } from '../../runtime/config/system.js';
import { atTopic } from '../../serdes/at-topic.js';
import { framePast, type PastFrame } from '../past/past.js';
import type { PastOptions, PastSlice } from '../past/past-options.js';
import { decode, type EventInfo, EventReader, frozenCopy, taskStores } from '../rerun/event.js';
import { Rerun } from '../rerun/rerun.js';
import { diskStorage, memoryStorage, type RerunStorage } from '../rerun/rerun-storage.js';
import type { Captured, RowWrite, RunWatcher } from '../rerun/watcher.js';
import { MergedReader } from '../slice/merged-reader.js';
import type { Moment } from '../slice/moment.js';
import { PastDates } from '../slice/past-dates.js';
import { cutSlice } from '../slice/slice.js';
import { keyIdOf } from '../snapshots/lookup-key.js';
import { shownChanges, shownSerdes } from '../snapshots/shown-changes.js';

export interface CompareOptions extends Omit<PastOptions, 'snapshots'>, PastSlice {}

/** A record that one of the two versions would have written. */
export interface ComparedOutput {
  readonly topic: string;
  readonly partition: number;
  readonly key: unknown;
  readonly value: unknown;
  readonly timestamp: number;
}

/**
 * A row on which the two versions differ. In a window store a row is a window with the key
 * `{ key, start, end }`.
 */
export interface ComparedRow {
  readonly store: string;
  readonly key: unknown;
  /** The value after the event; undefined: that version did not change the row. */
  readonly first: unknown;
  readonly second: unknown;
}

/** The first event after which two versions of a topology differ. */
export interface Disagreement {
  readonly event: EventInfo;
  /** Number of records in the merged history up to and including the event. */
  readonly records: number;
  /** What each version would have written because of the event; undefined: the outputs are equal. */
  readonly outputs:
    | { readonly first: readonly ComparedOutput[]; readonly second: readonly ComparedOutput[] }
    | undefined;
  readonly rows: readonly ComparedRow[];
}

const WINDOW_RECORDS = 1_000;
const LATEST: Moment = { kind: 'latest' };
const EARLIEST: Moment = { kind: 'earliest' };

/**
 * Finds the first event at which two versions of a topology disagree. They disagree if the records that the
 * event makes them write differ (topic, partition, key, value, timestamp, headers, in order). They also
 * disagree if the event changes rows differently in stores that both have. Returns undefined if they agree on
 * the whole slice. Answers the question "did my refactoring change anything?".
 *
 * Both versions process the same records in the same order; each ignores topics that it does not read. Both
 * run under the application id of the first.
 *
 * Cost: two replays at once.
 *
 * ```ts no-run
 * const difference = await compare(shop, shop, { broker }); // undefined, if it is deterministic
 * ```
 */
export async function compare(
  first: Topology,
  second: Topology,
  options: CompareOptions,
): Promise<Disagreement | undefined> {
  const applicationId = options.applicationId ?? first.name;
  const frames = [
    await framePast(first, { ...options, applicationId }),
    await framePast(second, { ...options, applicationId }),
  ] as const;
  const partitions = new Map(
    frames.flatMap((frame) => frame.partitions.map((at) => [`${at.topic}:${at.partition}`, at] as const)),
  );
  const { broker, signal, from = EARLIEST, until = LATEST } = options;
  const inputs = new Set(frames.flatMap(({ dates }) => [...dates.inputs]));
  const bounds = { from, until, now: systemClock.now(), inputs };
  const slice = await cutSlice(broker, [...partitions.values()], bounds);
  const [one, other] = [taskStores(frames[0].declaration), taskStores(frames[1].declaration)];
  const shared = new Set([...one.keys()].filter((name) => other.has(name)));
  const sides: Side[] = [];
  const dates = new PastDates(inputs, frames[0].declaration, frames[1].declaration);
  const datesOf = dates.inside(slice);
  const reader = await MergedReader.open(broker, slice, { datesOf, logger: frames[0].config.logger, signal });
  try {
    for (const frame of frames) sides.push(await Side.open(frame, shared));
    const [a, b] = sides as [Side, Side];
    for (
      let records = await reader.next(WINDOW_RECORDS);
      records.length > 0;
      records = await reader.next(WINDOW_RECORDS)
    ) {
      const begin = a.records;
      for (const side of sides) await side.process(records);
      for (const [i, record] of records.entries()) {
        const found = await differenceAt(begin + i, record, a, b);
        if (found) return found;
      }
      for (const side of sides) side.forget();
      options.onProgress?.({ records: a.records, total: reader.total });
    }
    return undefined;
  } finally {
    await Promise.allSettled([reader.close(), ...sides.map((side) => side.close())]);
  }
}

/** The effects of one record of the slice. */
interface Effects {
  readonly outputs: { readonly text: string; readonly sent: Captured }[];
  /** By store and key. */
  readonly rows: Map<string, ChangedRow>;
}

interface ChangedRow {
  readonly store: string;
  readonly key: unknown;
  readonly before: string | null;
  after: string | null;
  value: unknown;
}

const NOTHING: Effects = { outputs: [], rows: new Map() };

/** One of the two versions, and the effects of the records of this window in it. */
class Side {
  readonly frame: PastFrame;
  #run!: Rerun;
  readonly #storage: RerunStorage;
  readonly #effects = new Map<number, Effects>();
  readonly #sinks: ReadonlyMap<string, { readonly key: AnySerde; readonly value: AnySerde }>;
  readonly #stores: ReturnType<typeof taskStores>;

  private constructor(frame: PastFrame, storage: RerunStorage) {
    this.frame = frame;
    this.#storage = storage;
    this.#sinks = new Map(frame.declaration.sinks.map((sink) => [sink.id, sink]));
    this.#stores = taskStores(frame.declaration);
  }

  static async open(frame: PastFrame, shared: ReadonlySet<string>): Promise<Side> {
    const { topology, serdes, config, topics, options, notes } = frame;
    const storage = options.inMemory ? memoryStorage() : await diskStorage();
    const side = new Side(frame, storage);
    const watcher: RunWatcher = { follows: (store) => shared.has(store), wrote: (write) => side.#wrote(write) };
    const capture = (captured: readonly Captured[]): void => {
      for (const each of captured) side.#sent(each);
    };
    try {
      side.#run = await Rerun.open({ topology, serdes, config, topics, storage, watcher, capture, notes });
      return side;
    } catch (error) {
      await storage.remove().catch(() => undefined);
      throw error;
    }
  }

  get records(): number {
    return this.#run.records;
  }

  process(records: readonly BrokerRecord[]): Promise<void> {
    return this.#run.process(records);
  }

  at(index: number): Effects {
    return this.#effects.get(index) ?? NOTHING;
  }

  forget(): void {
    this.#effects.clear();
  }

  async close(): Promise<void> {
    await this.#run.close().catch(() => undefined);
    await this.#storage.remove();
  }

  #of(index: number): Effects {
    const known = this.#effects.get(index);
    if (known) return known;
    const effects = { outputs: [], rows: new Map() };
    this.#effects.set(index, effects);
    return effects;
  }

  /** Decodes an output for display; fetches the schemas that this needs. */
  async shown({ node, record }: Captured): Promise<ComparedOutput> {
    const { topic, partition, timestamp, headers } = record;
    const sink = this.#sinks.get(node);
    const key = await decode(sink && atTopic(sink.key, topic), record.key, headers);
    const value = await decode(sink && atTopic(sink.value, topic), record.value, headers);
    return { topic, partition, key, value, timestamp };
  }

  #sent(sent: Captured): void {
    const { topic, partition, timestamp, key, value, headers } = sent.record;
    const hex = (bytes: Buffer | null): string => (bytes === null ? '-' : bytes.toString('hex'));
    const head = headers.entries.map(([name, bytes]) => [
      name,
      bytes === null ? '-' : Buffer.from(bytes).toString('hex'),
    ]);
    const text = JSON.stringify([topic, partition, timestamp, hex(key), hex(value), head]);
    this.#of(sent.at.index).outputs.push({ text, sent });
  }

  #wrote(write: RowWrite): void {
    const { store, at } = write;
    const spec = this.#stores.get(store);
    if (!spec) return;
    const serdes = shownSerdes(spec);
    const hex = (side: unknown): string | null => (side === null ? null : serdes.value.encode(side).toString('hex'));
    const { rows } = this.#of(at.index);
    for (const { key, before, value } of shownChanges(spec, write)) {
      const name = `${store} ${keyIdOf(serdes.key, key)}`;
      const row = rows.get(name) ?? { store, key: frozenCopy(key), before: hex(before), after: null, value };
      rows.set(name, { ...row, after: hex(value), value });
    }
  }
}

async function differenceAt(index: number, record: BrokerRecord, a: Side, b: Side): Promise<Disagreement | undefined> {
  const [left, right] = [a.at(index), b.at(index)];
  const same =
    left.outputs.length === right.outputs.length &&
    left.outputs.every(({ text }, i) => text === right.outputs[i]?.text);
  const rows: ComparedRow[] = [];
  for (const name of new Set([...left.rows.keys(), ...right.rows.keys()])) {
    const [x, y] = [changed(left.rows.get(name)), changed(right.rows.get(name))];
    if (x?.after === y?.after) continue;
    const { store, key } = (x ?? y) as ChangedRow;
    rows.push({ store, key, first: x?.value, second: y?.value });
  }
  if (same && rows.length === 0) return undefined;
  const shown = (side: Side, { outputs }: Effects): Promise<ComparedOutput[]> =>
    Promise.all(outputs.map(({ sent }) => side.shown(sent)));
  const outputs = same ? undefined : { first: await shown(a, left), second: await shown(b, right) };
  return { event: await eventOf(record, a, b), records: index + 1, outputs, rows };
}

/** A write of the same value is no change. */
const changed = (row: ChangedRow | undefined): ChangedRow | undefined =>
  row === undefined || row.before === row.after ? undefined : row;

function eventOf(record: BrokerRecord, a: Side, b: Side): Promise<EventInfo> {
  const reads = ({ frame: { topology } }: Side): boolean =>
    topology.graph.nodes.some((node) => node.kind === 'source' && node.topic === record.topic);
  return new EventReader((reads(a) ? a : b).frame.declaration).read(record);
}
