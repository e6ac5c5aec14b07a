import { type LogConfig, logConfig } from '../local/topic-config.js';
import type { WritableLog, WritablePartition } from '../local/writable-log.js';
import type { Link } from './link.js';
import type { TopicSeen } from './protocol.js';

/** A partition of a topic of another process, as its writers see it. */
export interface KnownPartition extends WritablePartition {
  readonly topic: KnownTopic;
}

class KnownTopic {
  readonly partitions: readonly KnownPartition[];
  settings: LogConfig;
  /** Whether something about it may have changed. */
  isStale = false;

  constructor(readonly stored: TopicSeen) {
    const { name, partitions } = stored;
    this.settings = logConfig(stored.config);
    this.partitions = Array.from({ length: partitions }, (_, partition) => ({
      topic: this,
      partition,
      where: `${name}[${partition}]`,
    }));
  }

  get name(): string {
    return this.stored.name;
  }

  get topicId(): number {
    return this.stored.topicId;
  }
}

/** The topics of the process that serves the broker, as the writers of this one see them. */
export class KnownTopics implements WritableLog<KnownPartition> {
  readonly #link: Link;
  readonly #topics = new Map<string, KnownTopic>();

  constructor(link: Link) {
    this.#link = link;
    link.onLost(() => this.allChanged());
  }

  find(topic: string, partition: number): KnownPartition | undefined {
    return this.#topics.get(topic)?.partitions[partition];
  }

  topic(name: string): KnownTopic | undefined {
    return this.#topics.get(name);
  }

  /** The names that must be loaded before they are written to. */
  missing(records: readonly { readonly topic: string }[]): ReadonlySet<string> {
    const missing = new Set<string>();
    let last = '';
    for (const { topic } of records) {
      if (topic === last) continue;
      last = topic;
      const known = this.#topics.get(topic);
      if (!known || known.isStale) missing.add(topic);
    }
    return missing;
  }

  /** Afterwards {@link find} knows the partitions of these topics, if they exist. */
  async load(names: ReadonlySet<string>): Promise<void> {
    const { value } = await this.#link.ask('topics', [...names]);
    const found = new Map(value.map((topic) => [topic.name, topic]));
    for (const name of names) {
      const topic = found.get(name);
      const known = this.#topics.get(name);
      // A partition is the same object while it is the same partition: writers keep its unfinished batch by
      // it.
      if (topic && known?.topicId === topic.topicId) {
        known.settings = logConfig(topic.config);
        known.isStale = false;
      } else if (topic) this.#topics.set(name, new KnownTopic(topic));
      else this.#topics.delete(name);
    }
  }

  allChanged(): void {
    this.changed([...this.#topics.keys()]);
  }

  /** What the serving process tells of topics. */
  changed(names: readonly string[]): void {
    for (const name of names) {
      const known = this.#topics.get(name);
      if (known) known.isStale = true;
    }
  }
}
