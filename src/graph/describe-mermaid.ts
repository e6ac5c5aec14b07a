import { ownOf } from '../model/own.js';
import type { Graph, GraphNode } from './graph.js';
import { internalInput, internalInputTopic, repartitionTopic } from './naming.js';

/**
 * A graph as a Mermaid flow chart. Sub-topologies are boxes around their nodes, with stores as cylinders
 * inside. Topics are stadiums outside. Global tables are outside too, since they belong to no sub-topology. A
 * repartition is drawn as its topic, which leads out of one box and into another.
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
  /** The shape at the end of an arrow to a node: the node itself, or the topic of a repartition. */
  const drawn = (node: GraphNode): string => {
    if (node.kind === 'repartition')
      return topic(`repartition ${node.name}`, repartitionTopic('<application>', node.name));
    if (node.kind === 'internalInput') return topic(node.id, internalInputTopic('<application>', internalInput(node)));
    return ids.of('n', node.id);
  };

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
      if (!node || node.kind === 'repartition' || node.kind === 'internalInput') continue;
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
    // A box without nodes would not be drawn as a box.
    if (inside.length > 0)
      boxes.push(
        `subgraph ${ids.of('g', subTopology.id)}[${label(`sub-topology ${subTopology.id}`)}]`,
        ...inside.map((line) => `  ${line}`),
        'end',
      );
  }
  for (const { from, to, through } of graph.edges) {
    const [a, b] = [kinds.get(from), kinds.get(to)];
    // The operator writes it, too.
    if (a?.kind === 'internalInput' && b) arrows.push(`${drawn(b)} <--> ${drawn(a)}`);
    else if (a && b)
      arrows.push(`${drawn(a)} -->${through.length === 0 ? '' : `|${label(through.join(', '))}|`} ${drawn(b)}`);
  }
  return `${['flowchart LR', ...[...topics.values(), ...globals, ...boxes, ...arrows].map((line) => `  ${line}`)].join('\n')}\n`;
}

/** Short identifiers that are safe in Mermaid, for any name. */
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

/** Quoted text; characters that Mermaid would treat as syntax are written as entities. */
const label = (text: string): string =>
  `"${text.replace(/["#<>&`]/g, (found) => ownOf(ENTITIES, found) ?? found).replace(/\s+/g, ' ')}"`;
