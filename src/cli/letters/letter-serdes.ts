import type { Declaration, Topology } from '../../dsl/contract/processor.js';
import { repartitionTopic } from '../../graph/naming.js';
import { openedFor } from '../../runtime/send.js';
import { declaredNodes } from '../../runtime/topics/planned-tasks.js';
import type { SerdeServices } from '../../serdes/serde.js';
import { serdesOf } from '../load/declared.js';
import type { ShownSerdes } from '../terminal/show.js';

/** The serdes of the topics from which letters come. Without a topology there are none. */
export class LetterSerdes {
  readonly #services: SerdeServices;
  readonly #declaration: Declaration | undefined;
  /** Of the topics that the topology declares: the topic of a letter is what anybody wrote. */
  readonly #opened = new Map<string, Promise<ShownSerdes>>();

  constructor(topology: Topology | undefined, services: SerdeServices) {
    this.#services = services;
    this.#declaration = topology && declaredNodes(topology);
  }

  /**
   * Undefined if the topology does not declare the topic. Neither are there serdes of a table's changes: they
   * are several values each.
   *
   * @param use Whether keys and values are also encoded.
   */
  of(topic: string | undefined, use: 'read' | 'both' = 'read'): Promise<ShownSerdes | undefined> {
    const serdes = topic === undefined ? undefined : this.#declared(topic);
    if (topic === undefined || !serdes) return NONE;
    const known = this.#opened.get(`${use} ${topic}`) ?? openedFor(topic, use, serdes, this.#services);
    this.#opened.set(`${use} ${topic}`, known);
    return known;
  }

  #declared(topic: string): ShownSerdes | undefined {
    if (!this.#declaration) return undefined;
    const outside = serdesOf(this.#declaration, topic);
    if (outside) return outside;
    // Which version of the application has written the letter is not known here.
    const repartition = this.#declaration.repartitions.find(({ name }) => topic.endsWith(repartitionTopic('', name)));
    return repartition?.table === false ? repartition : undefined;
  }
}

const NONE: Promise<undefined> = Promise.resolve(undefined);
