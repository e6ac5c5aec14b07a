import type { ProducerRecord } from '../broker/port.js';
import type { Topology } from '../dsl/contract/processor.js';
import { ledgerTopic, repartitionTopic } from '../graph/naming.js';
import type { ApplicationVersion } from '../runtime/config/application-version.js';
import { ledgerRecord, letterKey } from '../runtime/ledger/ledger-entry.js';
import { withRequest } from '../runtime/redrive/redrive-request.js';
import { withoutLetterHeaders } from '../runtime/send/dead-letter.js';
import { owned, ownerOf } from '../runtime/topics/topic-owners.js';
import { LOG_CONFIG } from '../runtime/topics/topic-uses.js';
import type { Letter } from './letter.js';
import type { LetterOptions, LetterTopic } from './letter-topic.js';
import { type RedriveAt, type RedriveTarget, RedriveTargets } from './redrive-target.js';

/** Other bytes for the record of a letter. What is left out stays. */
export interface LetterPatch {
  readonly key?: Buffer | null;
  readonly value?: Buffer | null;
}

/** What a request says besides the letter. */
export interface RequestOptions extends LetterOptions {
  /** The topology that is to get the records. */
  readonly topology: Topology;
  /** Why they can be processed now. */
  readonly reason: string;
  /** Default: `operator`. */
  readonly at?: RedriveAt | undefined;
  /** Other bytes for a letter. The letter itself stays as it is; the ledger notes that it was patched. */
  readonly patch?: ((letter: Letter) => LetterPatch | undefined | Promise<LetterPatch | undefined>) | undefined;
}

/** The request for one letter, and its entry in the ledger. */
interface Requested {
  readonly request: ProducerRecord;
  entry(now: number): ProducerRecord;
}

/** Makes the requests for letters, and the internal inputs that get them. */
export class RedriveRequests {
  /** The internal inputs that were missing. The application makes them if its policies may write letters. */
  readonly created: string[] = [];
  readonly #options: RequestOptions & { readonly actor: string };
  readonly #topic: LetterTopic;
  readonly #version: ApplicationVersion;
  readonly #targets: RedriveTargets;
  readonly #known = new Set<string>();

  constructor(options: RequestOptions & { readonly actor: string }, topic: LetterTopic, version: ApplicationVersion) {
    this.#options = options;
    this.#topic = topic;
    this.#version = version;
    this.#targets = new RedriveTargets(options.topology, version.prefix, options.at ?? 'operator');
  }

  /** Errors: REDRIVE_TARGET_UNKNOWN, LETTER_INCOMPLETE, and those of the patch. No topic is created then. */
  async of(letters: readonly Letter[]): Promise<readonly Requested[]> {
    const found: (Requested & { readonly target: RedriveTarget })[] = [];
    for (const letter of letters) {
      const patch = await this.#options.patch?.(letter);
      const target = this.#targets.of(letter, patch?.value !== undefined);
      found.push({ target, ...this.#requestFor(letter, target, patch) });
    }
    for (const { target } of found) await this.#ensure(target);
    return found;
  }

  #requestFor(letter: Letter, target: RedriveTarget, patch: LetterPatch | undefined): Requested {
    const { applicationId, reason, actor } = this.#options;
    const { name: topic, topicId } = this.#topic;
    const { partition, offset } = letter;
    const { topic: read, partition: task, offset: position } = target.origin;
    const at = { topic, partition, offset };
    const patched = patch !== undefined;
    const asked = {
      ...{ letter: at, topicId, origin: { topic: read, partition: task, offset: position } },
      ...{ at: target.node, actor, reason, patched },
    };
    const fields = { ...(topicId !== undefined && { topicId }), at: target.node, patched };
    const entry = { key: letterKey(at), what: 'redrive-request', actor, reason, fields };
    return {
      request: {
        topic: target.topic,
        partition: task,
        key: patch?.key === undefined ? letter.key : patch.key,
        value: patch?.value === undefined ? letter.value : patch.value,
        timestamp: letter.timestamp,
        headers: withRequest(withoutLetterHeaders(letter.headers), asked),
      },
      entry: (now) => ledgerRecord(ledgerTopic(applicationId), entry, now),
    };
  }

  async #ensure({ topic, subTopology }: RedriveTarget): Promise<void> {
    if (this.#known.has(topic)) return;
    const { broker, applicationId } = this.#options;
    const { prefix } = this.#version;
    const read = [...subTopology.topics, ...subTopology.repartitions.map((name) => repartitionTopic(prefix, name))];
    const found = await broker.admin.describeTopics([topic, ...read]);
    if (!found.some(({ name }) => name === topic)) {
      const partitions = Math.max(1, ...found.map((each) => each.partitions));
      const config = owned(LOG_CONFIG, ownerOf(applicationId, this.#version));
      await broker.admin.createTopics([{ name: topic, partitions, config }]);
      this.created.push(topic);
    }
    this.#known.add(topic);
  }
}
