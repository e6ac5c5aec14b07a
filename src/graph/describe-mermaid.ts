import { ownOf } from '../model/own.js';
import type { Graph, GraphNode } from './graph.js';
import { repartitionTopic } from './naming.js';

/**
 * A graph as a Mermaid flow chart: sub-topologies are boxes around their nodes, stores are cylinders inside,
 * topics are stadiums outside, and so are global tables, which belong to no box. A repartition is drawn as
 * its topic, which leads out of one box and into another.
 */
export function describeMermaid(graph: Graph): string {
  const ids = new Ids();
  const kinds = new Map(graph.nodes.map((node) => [node.id, node]));
  const topics = new Map<string, string>();
  const topic = (name: string, shown = name): string => {
    const id = ids.of('t', name);
    topics.set(id, `${id}([${label(shown)}])`);
    return id;
  };
  /** What stands for a node at the end of an arrow: itself, or the topic of a repartition. */
  const drawn = (node: GraphNode): string =>
    node.kind === 'repartition'
      ? topic(`repartition ${node.name}`, repartitionTopic('<application>', node.name))
      : ids.of('n', node.id);

  const globals: string[] = [];
  const boxes: string[] = [];
  const arrows: string[] = [];
  for (const node of graph.nodes) {
    if (node.kind !== 'globalTable') continue;
    globals.push(`${ids.of('s', node.store)}[(${label(`${node.store} (global)`)})]`);
    arrows.push(`${topic(node.topic)} --> ${ids.of('s', node.store)}`);
  }
  for (const subTopology of graph.subTopologies) {
    const inside: string[] = [];
    for (const id of subTopology.nodes) {
      const node = kinds.get(id);
      if (!node || node.kind === 'repartition') continue;
      inside.push(`${drawn(node)}[${label(node.id)}]`);
      if (node.kind === 'source') arrows.push(`${topic(node.topic)} --> ${drawn(node)}`);
      if (node.kind === 'sink')
        arrows.push(
          `${drawn(node)} --> ${node.topic === null ? topic(node.id, 'chosen by a function of the record') : topic(node.topic)}`,
        );
      if (node.kind !== 'processor') continue;
      for (const store of node.stores) {
        inside.push(`${ids.of('s', store)}[(${label(store)})]`);
        arrows.push(`${drawn(node)} --- ${ids.of('s', store)}`);
      }
      for (const store of [...node.reads, ...(node.globals ?? [])])
        arrows.push(`${ids.of('s', store)} -.-> ${drawn(node)}`);
    }
    // A box without nodes is not drawn as one.
    if (inside.length > 0)
      boxes.push(
        `subgraph ${ids.of('g', subTopology.id)}[${label(`sub-topology ${subTopology.id}`)}]`,
        ...inside.map((line) => `  ${line}`),
        'end',
      );
  }
  for (const { from, to, through } of graph.edges) {
    const [a, b] = [kinds.get(from), kinds.get(to)];
    if (a && b)
      arrows.push(`${drawn(a)} -->${through.length === 0 ? '' : `|${label(through.join(', '))}|`} ${drawn(b)}`);
  }
  return `${['flowchart LR', ...[...topics.values(), ...globals, ...boxes, ...arrows].map((line) => `  ${line}`)].join('\n')}\n`;
}

/** Short identifiers that are safe in Mermaid, whatever the names are. */
class Ids {
  readonly #known = new Map<string, string>();
  readonly #counts = new Map<string, number>();

  of(prefix: string, name: string): string {
    const key = `${prefix} ${name}`;
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const count = (this.#counts.get(prefix) ?? 0) + 1;
    this.#counts.set(prefix, count);
    this.#known.set(key, `${prefix}${count}`);
    return `${prefix}${count}`;
  }
}

const ENTITIES: Readonly<Record<string, string>> = {
  '"': '#quot;',
  '#': '#35;',
  '<': '#lt;',
  '>': '#gt;',
  '&': '#amp;',
  '`': '#96;',
};

/** Text in quotes, with what Mermaid would take for syntax written as entities. */
const label = (text: string): string =>
  `"${text.replace(/["#<>&`]/g, (found) => ownOf(ENTITIES, found) ?? found).replace(/\s+/g, ' ')}"`;
