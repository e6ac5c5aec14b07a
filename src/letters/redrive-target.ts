import type { Topology } from '../dsl/contract/processor.js';
import type { Graph, SubTopology } from '../graph/graph.js';
import { internalInputTopic, lettersInput, repartitionTopic } from '../graph/naming.js';
import { StreamsError } from '../model/errors.js';
import { nearestName } from '../model/text/nearest-name.js';
import { show } from '../model/text/show.js';
import type { Letter, LetterOrigin } from './letter.js';

/** Where a letter is fed in: at the operator that gave it up, or at the first operators behind its source. */
export type RedriveAt = 'operator' | 'source';

/** Where one letter goes. */
export interface RedriveTarget {
  readonly origin: LetterOrigin;
  /** The node that gets its record. */
  readonly node: string;
  /** The internal input of the task that runs the node. */
  readonly topic: string;
  readonly subTopology: SubTopology;
}

/** Finds where letters go in a topology. */
export class RedriveTargets {
  readonly #graph: Graph;
  readonly #prefix: string;
  readonly #at: RedriveAt;

  constructor({ graph }: Pick<Topology, 'graph'>, prefix: string, at: RedriveAt) {
    this.#graph = graph;
    this.#prefix = prefix;
    this.#at = at;
  }

  /** Errors: REDRIVE_TARGET_UNKNOWN, LETTER_INCOMPLETE. */
  of(letter: Letter, isPatched: boolean): RedriveTarget {
    const { origin, shortened } = letter;
    if (origin === null)
      throw this.#unknown(
        letter,
        'no header that says where its record was read',
        'Write its record to a source again.',
      );
    const missing = shortened.filter(({ part }) => part !== 'message' && !(part === 'value' && isPatched));
    if (missing.length > 0) throw incomplete(letter, missing.map(({ part }) => part).join(' and '));
    const subs = this.#graph.subTopologies.filter((sub) => this.#entryOf(sub, origin.topic) !== undefined);
    const sub = subs.find(({ nodes }) => letter.operator !== null && nodes.includes(letter.operator)) ?? subs[0];
    const entry = sub && this.#entryOf(sub, origin.topic);
    if (entry === undefined)
      throw this.#unknown(letter, `no part of the topology reads ${origin.topic}`, 'Use the version that reads it.');
    const node = this.#at === 'source' ? entry : this.#operatorOf(letter, sub as SubTopology, entry);
    const topic = internalInputTopic(this.#prefix, lettersInput((sub as SubTopology).id));
    return { origin, node, topic, subTopology: sub as SubTopology };
  }

  /** The node through which records of a topic enter. */
  #entryOf({ topics, repartitions }: SubTopology, topic: string): string | undefined {
    for (const node of this.#graph.nodes) {
      if (node.kind === 'source' && node.topic === topic && topics.includes(topic)) return node.id;
      if (node.kind !== 'repartition' || repartitionTopic(this.#prefix, node.name) !== topic) continue;
      if (repartitions.includes(node.name)) return node.id;
    }
    return undefined;
  }

  #operatorOf(letter: Letter, { nodes }: SubTopology, entry: string): string {
    const { operator } = letter;
    const atSource = 'Feed it in at its source (--at source, in code: at: "source"), or use the version that has it.';
    if (operator === null) throw this.#unknown(letter, 'no operator in its headers', atSource);
    if (!nodes.includes(operator)) {
      const near = nearestName(operator, nodes);
      const saw = `the operator ${show(operator)}, which is gone${near === undefined ? '' : ` (there is ${near})`}`;
      throw this.#unknown(letter, saw, atSource);
    }
    const isDirect = this.#graph.edges.some(({ from, to }) => from === entry && to === operator);
    if (operator === entry || isDirect) return operator;
    throw this.#unknown(
      letter,
      `${operator}, which gets its records from another operator: a letter has only the record of its source`,
      'Feed it in at its source: --at source (in code: at: "source"). Operators before it then get the record again.',
    );
  }

  #unknown({ id, topic }: Letter, saw: string, action: string): StreamsError {
    return new StreamsError('REDRIVE_TARGET_UNKNOWN', {
      what: 'cannot tell which operator is to get the record of a letter',
      at: `the letter ${id} of ${topic}`,
      saw,
      expected: 'an operator that reads the topic of the record',
      action,
    });
  }
}

const incomplete = ({ id, topic }: Letter, parts: string): StreamsError =>
  new StreamsError('LETTER_INCOMPLETE', {
    what: 'a letter does not hold its whole record: the broker had refused it for its size',
    at: `the letter ${id} of ${topic}`,
    saw: `a shortened ${parts}`,
    action: parts === 'value' ? 'Give the value with --patch (in code: patch).' : 'Write its record to a source again.',
  });
