import { type BrokerRecord, type PartitionOffset, type ProducerRecord, partitionKey } from '../broker/port.js';
import { StreamsError } from '../model/errors.js';
import { Headers } from '../model/headers.js';
import { toJson } from '../model/to-json.js';
import type { EffectCall } from './effects.js';
import { addedTo, isFields, textOf } from './offset-texts.js';
import type { OutboxItem } from './outbox.js';

/** What becomes of outputs and calls to the outside that records cause when they are processed a second time. `capture`: outputs go to `<application>-captured` instead. */
export type EffectsMode = 'live' | 'silent' | 'capture';

/**
 * Says of one source partition that it was put back by a reset and is processed a second time. Travels as metadata of its committed offset, so that every process of the group knows it, after a crash, too:
 * `{ "format": 1, "reset": { "id", "until", "effects", "keeps"?, "marked"?, "unfinished"? }, … }`.
 */
export interface ResetMark {
  readonly id: string;
  /** Records before this offset had been processed before. */
  readonly until: number;
  readonly effects: EffectsMode;
  /** The stores still hold what these records did the first time. */
  readonly keeps?: true;
  /** A repartition topic: its records from `until` on say themselves which of them come from records that are processed a second time. */
  readonly marked?: true;
  /** The reset was not carried out to its end. */
  readonly unfinished?: true;
}

/** `<application>-captured`: what would have been written, or called. */
export const capturedTopic = (applicationId: string): string => `${applicationId}-captured`;

const HEADER = 'millrace.reprocessed';

/** The metadata of a committed offset with a mark added, or taken out. */
export const marked = (metadata: string | undefined, mark: ResetMark | undefined): string =>
  addedTo(metadata, { reset: mark });

export function markOf({ metadata }: PartitionOffset): ResetMark | undefined {
  const { reset } = textOf(metadata);
  return isMark(reset) ? reset : undefined;
}

const MODES: readonly unknown[] = ['live', 'silent', 'capture'] satisfies readonly EffectsMode[];

const isMark = (reset: unknown): reset is ResetMark =>
  isFields(reset) &&
  typeof reset.id === 'string' &&
  typeof reset.until === 'number' &&
  MODES.includes(reset.effects) &&
  [reset.keeps, reset.marked, reset.unfinished].every((flag) => flag === undefined || flag === true);

/** The partitions of a task that a reset has put back. */
export class Reprocessing {
  readonly #marks: ReadonlyMap<string, ResetMark>;
  readonly #applicationId: string;
  #last: EffectsMode = 'live';

  private constructor(marks: ReadonlyMap<string, ResetMark>, applicationId: string) {
    this.#marks = marks;
    this.#applicationId = applicationId;
  }

  /** Undefined if there are none: almost always. RESET_UNFINISHED if the reset was interrupted. */
  static of(
    committed: readonly PartitionOffset[],
    { applicationId, taskId }: { readonly applicationId: string; readonly taskId: string },
  ): Reprocessing | undefined {
    const marks = new Map<string, ResetMark>();
    for (const position of committed) {
      const mark = markOf(position);
      if (mark) marks.set(partitionKey(position.topic, position.partition), mark);
    }
    const unfinished = [...marks.values()].find((mark) => mark.unfinished);
    if (unfinished) {
      throw new StreamsError('RESET_UNFINISHED', {
        what: `the reset ${unfinished.id} of the application was interrupted`,
        at: `task ${taskId}`,
        action: 'Run `millrace reset` once more: it goes on where it was.',
      });
    }
    return marks.size === 0 ? undefined : new Reprocessing(marks, applicationId);
  }

  /** What the stores contain may be more than what is committed: under a reset that keeps them. */
  contained(committed: readonly PartitionOffset[]): readonly PartitionOffset[] {
    return committed.map((position) => {
      const mark = this.#marks.get(partitionKey(position.topic, position.partition));
      return mark?.keeps ? { ...position, offset: Math.max(position.offset, mark.until) } : position;
    });
  }

  /** What is to become of what a record causes; undefined: of a timer of the wall clock, which is taken to belong to the last record. */
  modeOf(record: BrokerRecord | undefined): EffectsMode {
    if (record === undefined) return this.#last;
    const mark = this.#marks.get(partitionKey(record.topic, record.partition));
    if (mark === undefined) return this.#set('live');
    const said = mark.marked ? record.headers.text(HEADER) : undefined;
    if (MODES.includes(said)) return this.#set(said as EffectsMode);
    return this.#set(record.offset < mark.until ? mark.effects : 'live');
  }

  /** The record as it was before it was marked: what follows from it later must not look marked. */
  unmarked(record: BrokerRecord): BrokerRecord {
    const mark = this.#marks.get(partitionKey(record.topic, record.partition));
    return mark?.marked ? { ...record, headers: record.headers.without(HEADER) } : record;
  }

  /** What is written instead of a record that was made of that source record; undefined: nothing. */
  outgoing(item: OutboxItem, record: ProducerRecord, source: BrokerRecord | undefined): ProducerRecord | undefined {
    const mode = this.modeOf(source);
    if (mode === 'live') return record;
    // What follows from it in other tasks must be treated alike.
    if (item.kind === 'repartition') return { ...record, headers: record.headers.with(HEADER, mode) };
    return mode === 'silent' ? undefined : captured(record, item.node, this.#applicationId);
  }

  /** A call that would have been made: its key is that of the call, its value the record as JSON. */
  capturedCall({ node, idempotencyKey, record }: EffectCall): ProducerRecord {
    return {
      topic: capturedTopic(this.#applicationId),
      partition: 0,
      key: Buffer.from(idempotencyKey),
      value: Buffer.from(toJson({ key: record.key, value: record.value })),
      timestamp: record.timestamp,
      headers: Headers.of({ 'millrace.operator': node }),
    };
  }

  /** Keeps the marks of partitions that are not through yet. */
  withMarks(positions: readonly PartitionOffset[]): readonly PartitionOffset[] {
    return positions.map((position) => {
      const mark = this.#marks.get(partitionKey(position.topic, position.partition));
      if (mark === undefined || !(mark.marked || position.offset < mark.until)) return position;
      return { ...position, metadata: marked(position.metadata, mark) };
    });
  }

  #set(mode: EffectsMode): EffectsMode {
    this.#last = mode;
    return mode;
  }
}

/** A record that would have been written: to the topic of what was captured, with where it would have gone in its headers. */
function captured(record: ProducerRecord, node: string, applicationId: string): ProducerRecord {
  const headers = record.headers
    .with('millrace.topic', record.topic)
    .with('millrace.partition', String(record.partition))
    .with('millrace.operator', node);
  return { ...record, topic: capturedTopic(applicationId), partition: 0, headers };
}
