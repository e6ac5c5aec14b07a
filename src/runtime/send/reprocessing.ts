import { type BrokerRecord, type PartitionOffset, type ProducerRecord, partitionKey } from '../../broker/port.js';
import { StreamsError } from '../../model/errors.js';
import { Headers } from '../../model/headers.js';
import { toJson } from '../../model/to-json.js';
import type { CatchUpPhase } from '../align/catch-up.js';
import type { EffectCall } from '../config/effect-gate.js';
import { type EffectsMode, MODES, marked, markOf, quietIn, type ResetMark } from '../offsets/reset-marks.js';
import type { OutboxItem } from '../record/outbox.js';
import { positionsText } from '../topics/sources.js';

/** `<application>-captured`: the outputs and calls that were captured instead of made. */
export const capturedTopic = (applicationId: string): string => `${applicationId}-captured`;

const HEADER = 'millrace.reprocessed';

/** The partitions of a task that a reset has moved back. */
export class Reprocessing {
  readonly #marks: ReadonlyMap<string, ResetMark>;
  readonly #applicationId: string;
  /** Undefined: new records wait for no other task. */
  readonly phase: CatchUpPhase | undefined;
  #last: EffectsMode = 'live';
  /** The positions of the last commit. */
  #place: string | undefined;
  #isQuiet = false;

  private constructor(marks: ReadonlyMap<string, ResetMark>, applicationId: string, phase: CatchUpPhase | undefined) {
    this.#marks = marks;
    this.#applicationId = applicationId;
    this.phase = phase;
  }

  /**
   * Undefined if there are none, as is almost always the case. RESET_UNFINISHED if the reset was interrupted.
   *
   * @param phase The catch-up phase of the task; undefined: it is in none.
   */
  static of(
    committed: readonly PartitionOffset[],
    {
      applicationId,
      taskId,
      phase,
    }: { readonly applicationId: string; readonly taskId: string; readonly phase?: CatchUpPhase | undefined },
  ): Reprocessing | undefined {
    const marks = new Map<string, ResetMark>();
    for (const position of committed) {
      const mark = markOf(position);
      // The mark of a finished catch-up is no longer needed.
      if (mark && (phase || !mark.over)) marks.set(partitionKey(position.topic, position.partition), mark);
    }
    const unfinished = [...marks.values()].find((mark) => mark.unfinished);
    if (unfinished) {
      throw new StreamsError('RESET_UNFINISHED', {
        what: `the reset ${unfinished.id} of the application was interrupted`,
        at: `task ${taskId}`,
        action: 'Run `millrace reset` once more: it continues where it stopped.',
      });
    }
    return marks.size === 0 && !phase ? undefined : new Reprocessing(marks, applicationId, phase);
  }

  /** After a reset that keeps the stores, they may contain more than the committed offsets say. */
  contained(committed: readonly PartitionOffset[]): readonly PartitionOffset[] {
    return committed.map((position) => {
      const mark = this.#marks.get(partitionKey(position.topic, position.partition));
      return mark?.keeps ? { ...position, offset: Math.max(position.offset, mark.until) } : position;
    });
  }

  /**
   * How effects of a record are treated. Undefined stands for a wall-clock timer: it belongs to the old
   * records while some are left, and after that to the last record.
   */
  modeOf(record: BrokerRecord | undefined): EffectsMode {
    if (record === undefined) return this.phase?.isOver === false ? this.phase.effects : this.#last;
    const mark = this.#marks.get(partitionKey(record.topic, record.partition));
    if (mark === undefined) return this.#set('live');
    const said = mark.marked ? record.headers.text(HEADER) : undefined;
    if (MODES.includes(said)) return this.#set(said as EffectsMode);
    return this.#set(record.offset < mark.until ? mark.effects : 'live');
  }

  /** The record without the mark: records derived from it later must not look marked. */
  unmarked(record: BrokerRecord): BrokerRecord {
    const mark = this.#marks.get(partitionKey(record.topic, record.partition));
    return mark?.marked ? { ...record, headers: record.headers.without(HEADER) } : record;
  }

  /** The record to write in place of a record made from that source record; undefined: none. */
  outgoing(item: OutboxItem, record: ProducerRecord, source: BrokerRecord | undefined): ProducerRecord | undefined {
    // What a wall-clock timer writes when no old records are left may never have been written. A call may be
    // made at most once, but writing a value twice is better than not at all.
    const mode = source === undefined && this.phase?.isOver ? 'live' : this.modeOf(source);
    if (mode === 'live') return record;
    // Other tasks must treat the derived records in the same way.
    if (item.kind === 'repartition') return { ...record, headers: record.headers.with(HEADER, mode) };
    return mode === 'silent' ? undefined : captured(record, item.node, this.#applicationId);
  }

  /** Describes a call that would have been made: its idempotency key as the key, and its record as JSON. */
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

  /** Whether the last commit has marked the task as quiet. */
  get isQuiet(): boolean {
    return this.#isQuiet;
  }

  /**
   * Keeps the marks until all reprocessed records have passed through, and then marks the end. Called once
   * for each commit.
   */
  withMarks(positions: readonly PartitionOffset[]): readonly PartitionOffset[] {
    const { phase } = this;
    const place = positionsText(positions);
    this.#isQuiet = place === this.#place;
    this.#place = place;
    const withMarks = this.#marked(positions);
    return phase && !phase.isOver && this.#isQuiet ? withMarks.map((at) => quietIn(at, phase.id)) : withMarks;
  }

  #marked(positions: readonly PartitionOffset[]): readonly PartitionOffset[] {
    const { phase } = this;
    return positions.map((position) => {
      const mark = this.#marks.get(partitionKey(position.topic, position.partition));
      const isKept = mark !== undefined && (phase !== undefined || mark.marked || position.offset < mark.until);
      if (!isKept) return position;
      return { ...position, metadata: marked(position.metadata, phase?.isOver ? { ...mark, over: true } : mark) };
    });
  }

  #set(mode: EffectsMode): EffectsMode {
    this.#last = mode;
    return mode;
  }
}

/** A record that would have been written, for the captured topic: headers contain its destination. */
function captured(record: ProducerRecord, node: string, applicationId: string): ProducerRecord {
  const headers = record.headers
    .with('millrace.topic', record.topic)
    .with('millrace.partition', String(record.partition))
    .with('millrace.operator', node);
  return { ...record, topic: capturedTopic(applicationId), partition: 0, headers };
}
