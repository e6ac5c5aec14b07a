import { type BrokerRecord, type PartitionOffset, type ProducerRecord, partitionKey } from '../broker/port.js';
import { StreamsError } from '../model/errors.js';
import { Headers } from '../model/headers.js';
import { toJson } from '../model/to-json.js';
import type { CatchUpPhase } from './catch-up.js';
import type { EffectCall } from './effects.js';
import type { OutboxItem } from './outbox.js';
import { type EffectsMode, MODES, marked, markOf, quietIn, type ResetMark } from './reset-marks.js';
import { positionsText } from './sources.js';

/** `<application>-captured`: what would have been written, or called. */
export const capturedTopic = (applicationId: string): string => `${applicationId}-captured`;

const HEADER = 'millrace.reprocessed';

/** The partitions of a task that a reset has put back. */
export class Reprocessing {
  readonly #marks: ReadonlyMap<string, ResetMark>;
  readonly #applicationId: string;
  /** Undefined: new records wait for nobody. */
  readonly phase: CatchUpPhase | undefined;
  #last: EffectsMode = 'live';
  /** What was committed last. */
  #place: string | undefined;
  #isQuiet = false;

  private constructor(marks: ReadonlyMap<string, ResetMark>, applicationId: string, phase: CatchUpPhase | undefined) {
    this.#marks = marks;
    this.#applicationId = applicationId;
    this.phase = phase;
  }

  /**
   * Undefined if there are none: almost always. RESET_UNFINISHED if the reset was interrupted. `phase`: that
   * of the task; left out, it is in none.
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
      // What everybody knows to be over needs no mark any more.
      if (mark && (phase || !mark.over)) marks.set(partitionKey(position.topic, position.partition), mark);
    }
    const unfinished = [...marks.values()].find((mark) => mark.unfinished);
    if (unfinished) {
      throw new StreamsError('RESET_UNFINISHED', {
        what: `the reset ${unfinished.id} of the application was interrupted`,
        at: `task ${taskId}`,
        action: 'Run `millrace reset` once more: it goes on where it was.',
      });
    }
    return marks.size === 0 && !phase ? undefined : new Reprocessing(marks, applicationId, phase);
  }

  /** What the stores contain may be more than what is committed: under a reset that keeps them. */
  contained(committed: readonly PartitionOffset[]): readonly PartitionOffset[] {
    return committed.map((position) => {
      const mark = this.#marks.get(partitionKey(position.topic, position.partition));
      return mark?.keeps ? { ...position, offset: Math.max(position.offset, mark.until) } : position;
    });
  }

  /**
   * What is to become of what a record causes; undefined: of a timer of the wall clock, which is taken to
   * belong to old records as long as some are left, and then to the last record.
   */
  modeOf(record: BrokerRecord | undefined): EffectsMode {
    if (record === undefined) return this.phase?.isOver === false ? this.phase.effects : this.#last;
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
    // What a timer of the wall clock writes when nothing old is left was perhaps never written: a call may be
    // made once at most, a value is rather written twice than not at all.
    const mode = source === undefined && this.phase?.isOver ? 'live' : this.modeOf(source);
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

  /** Whether the last commit has said that the task is quiet. */
  get isQuiet(): boolean {
    return this.#isQuiet;
  }

  /**
   * Keeps the marks until all that was put back is through, and says then that it is. Called once for each
   * commit.
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

/**
 * A record that would have been written: to the topic of what was captured, with where it would have gone in
 * its headers.
 */
function captured(record: ProducerRecord, node: string, applicationId: string): ProducerRecord {
  const headers = record.headers
    .with('millrace.topic', record.topic)
    .with('millrace.partition', String(record.partition))
    .with('millrace.operator', node);
  return { ...record, topic: capturedTopic(applicationId), partition: 0, headers };
}
