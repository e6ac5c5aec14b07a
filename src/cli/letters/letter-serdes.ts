import type { Declaration, Topology } from '../../dsl/contract/processor.js';
import { declaredNodes } from '../../runtime/topics/planned-tasks.js';
import type { SerdeServices } from '../../serdes/serde.js';
import { serdesOf } from '../load/declared.js';
import { openTopicSerdes } from '../records/topic-serdes.js';
import type { ShownSerdes } from '../terminal/show.js';

/** The serdes of the topics from which letters come. Without a topology there are none. */
export class LetterSerdes {
  readonly #topology: Topology | undefined;
  readonly #services: SerdeServices;
  readonly #declaration: Declaration | undefined;
  /** Of the topics that the topology declares: the topic of a letter is what anybody wrote. */
  readonly #opened = new Map<string, Promise<ShownSerdes | undefined>>();

  constructor(topology: Topology | undefined, services: SerdeServices) {
    this.#topology = topology;
    this.#services = services;
    this.#declaration = topology && declaredNodes(topology);
  }

  /** Undefined if the topology does not declare the topic. */
  of(topic: string | undefined): Promise<ShownSerdes | undefined> {
    if (topic === undefined || !this.#topology || !this.#declaration || !serdesOf(this.#declaration, topic))
      return NONE;
    const known = this.#opened.get(topic) ?? openTopicSerdes(this.#topology, topic, 'read', this.#services);
    this.#opened.set(topic, known);
    return known;
  }
}

const NONE: Promise<undefined> = Promise.resolve(undefined);
