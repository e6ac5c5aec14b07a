import type { BrokerRecord, PartitionOffset, ProducerRecord } from '../../broker/port.js';
import { ledgerTopic } from '../../graph/naming.js';
import type { Clock } from '../../model/ports.js';
import type { SourcePosition } from '../../model/record.js';
import { addedTo, textOf } from '../config/offset-texts.js';
import type { Outside } from '../inputs/outside.js';
import { ledgerRecord, letterKey } from '../ledger/ledger-entry.js';
import { INPUT_PLACES } from '../poll/input-places.js';
import type { TopicEntry } from '../poll/topic-entry.js';
import { type RedriveFailure, RedrivenRecord } from '../record/redriven-record.js';
import { asNoted, requestOf, requestOffset, withoutRequest } from './redrive-request.js';
import type { RedrivenNotes } from './redriven-notes.js';

/** The text of an error may be longer than a record of the ledger. */
const MAX_MESSAGE = 10_000;

const shortened = (failure: RedriveFailure): RedriveFailure => ({
  ...failure,
  message: failure.message.slice(0, MAX_MESSAGE),
});

const UNREACHABLE: RedriveFailure = {
  code: 'REDRIVE_TARGET_UNKNOWN',
  message: 'the operator is gone, or no longer reads the topic of the record directly',
  attempt: 0,
};

export interface LettersInputOptions {
  readonly topic: string;
  readonly applicationId: string;
  readonly clock: Clock;
  /** Undefined: notes are taken as they are. */
  readonly outside: Outside | undefined;
  readonly count: (name: string) => void;
  /** Whether the task reads such records, and the node gets them without a processor between. */
  readonly reaches: (origin: SourcePosition, node: string) => boolean;
  /** The nodes that get the records of a topic that the task reads. */
  readonly receivers: (topic: string) => readonly string[];
  /** What was fed in, if the past is taken again. */
  readonly notes: RedrivenNotes;
  /** Identifies a record in `notes`. */
  readonly rootOf: (record: BrokerRecord) => string;
}

/**
 * The internal input through which letters are fed in again. A program writes a request to it. The task notes
 * it, as it notes everything that no source has brought, and feeds the letter in when it reads the note: a
 * replay finds it at the same place.
 *
 * The task writes to the ledger what has become of the letter, in the commit that has its effect. Requests
 * are noted in their order, so a note of a request at or before the last one is a repetition: a commit has
 * failed after it had written the note.
 */
export class LettersInput {
  readonly #options: LettersInputOptions;
  /** The last request that was fed in. */
  #done = -1;

  constructor(options: LettersInputOptions) {
    this.#options = options;
  }

  get topic(): string {
    return this.#options.topic;
  }

  /** The entry of its topic: it is replaced before a record enters. */
  get entry(): TopicEntry {
    const { topic } = this;
    return {
      node: topic,
      outlet: { node: topic, used: false, push: () => undefined, pushTo: () => undefined },
      ...{ jumps: undefined, internal: topic, isNoted: true, dates: INPUT_PLACES },
      deserialize: () => {
        throw new Error('a letter is read as the record that it holds');
      },
    };
  }

  /** Takes up what was committed. */
  begin(committed: readonly PartitionOffset[]): void {
    for (const { topic, metadata } of committed) {
      const { letters } = topic === this.#options.topic ? textOf(metadata) : {};
      if (typeof letters === 'number') this.#done = letters;
    }
  }

  /** The positions to commit, with the last request. */
  withMarks(positions: readonly PartitionOffset[]): readonly PartitionOffset[] {
    if (this.#done < 0) return positions;
    return positions.map((at) =>
      at.topic === this.#options.topic ? { ...at, metadata: addedTo(at.metadata, { letters: this.#done }) } : at,
    );
  }

  /**
   * The records of a batch: notes become the records of their letters. Requests are noted, and stay in their
   * places, so that each record keeps its index.
   */
  opened(records: readonly BrokerRecord[]): readonly BrokerRecord[] {
    const { topic } = this.#options;
    if (!records.some((record) => record.topic === topic)) return records;
    return records.map((record) => (record.topic === topic ? (this.#opened(record) ?? record) : record));
  }

  /** The nodes that get a record at its first place. Undefined: all, as is almost always the case. */
  receiversOf(record: BrokerRecord): readonly string[] | undefined {
    const { notes, receivers, rootOf } = this.#options;
    const failed = notes.isEmpty || record instanceof RedrivenRecord ? undefined : notes.failedIn(rootOf(record));
    if (failed === undefined) return undefined;
    const nodes = receivers(record.topic);
    // The first one is the entry: it could not decode the record.
    return failed.has(nodes[0] as string) ? [] : nodes.slice(1).filter((node) => !failed.has(node));
  }

  /** What the ledger says of the letters of a batch. */
  settled(records: readonly BrokerRecord[]): readonly ProducerRecord[] {
    const { applicationId, clock, outside } = this.#options;
    if (!outside || outside.isHeld) return [];
    return records.flatMap((record) => {
      if (!(record instanceof RedrivenRecord)) return [];
      const { failure, request } = record;
      const { letter, actor, reason, topicId } = request;
      const entry = {
        key: letterKey(letter),
        what: failure ? 'redrive-failed' : 'redrive',
        actor,
        reason,
        fields: { ...(topicId !== undefined && { topicId }), ...(failure && shortened(failure)) },
      };
      return [ledgerRecord(ledgerTopic(applicationId), entry, clock.now())];
    });
  }

  #opened(record: BrokerRecord): RedrivenRecord | undefined {
    const { outside, topic, count } = this.#options;
    const { headers, key, value, timestamp, offset } = record;
    const request = requestOf(headers);
    if (request === undefined) {
      count('unknown-letter');
      return undefined;
    }
    const asked = requestOffset(headers);
    if (asked === undefined) {
      // While the past is taken again, its notes are there.
      if (!outside?.isHeld) outside?.note(topic, { key, value, timestamp, headers: asNoted(headers, offset) });
      return undefined;
    }
    if (asked <= this.#done) {
      count('letter-repeated');
      return undefined;
    }
    this.#done = asked;
    const redriven = new RedrivenRecord({ ...record, headers: withoutRequest(headers) }, request);
    const { notes, rootOf } = this.#options;
    if (!notes.isEmpty && !notes.isLast(rootOf(redriven), request.at, asked)) {
      count('letter-failed-again');
      return undefined;
    }
    if (!this.#options.reaches(request.origin, request.at)) redriven.failure = UNREACHABLE;
    return redriven;
  }
}
