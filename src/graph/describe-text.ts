import type { ResolvedPolicy } from '../model/policy/policy.js';
import type { GlobalTableNode, Graph, GraphNode, GraphStore, RepartitionNode, SubTopology } from './graph.js';
import { changelogTopic, internalInput, internalInputTopic, repartitionTopic } from './naming.js';

/** A placeholder for the application id, which is chosen when the topology is run. */
const APPLICATION = '<application>';

/** A graph as text: one block per sub-topology, with its nodes in order of declaration. */
export function describeText(graph: Graph): string {
  const lines = [`topology ${graph.name}`];
  for (const subTopology of graph.subTopologies) {
    lines.push('', `sub-topology ${subTopology.id}`);
    for (const id of subTopology.nodes) {
      const node = graph.nodes.find((other) => other.id === id);
      if (node) lines.push(...describeNode(graph, subTopology, node).map((line) => `  ${line}`));
    }
  }
  const globals = graph.nodes.filter((node) => node.kind === 'globalTable');
  if (globals.length > 0) {
    lines.push('', 'global tables (every process has all rows of all partitions)');
    for (const node of globals) lines.push(...describeGlobalTable(node).map((line) => `  ${line}`));
  }
  if (graph.coPartitioned.length > 0) {
    lines.push('', 'co-partitioned (need equal numbers of partitions)');
    for (const group of graph.coPartitioned) lines.push(`  ${group.join(', ')}`);
  }
  return `${lines.join('\n')}\n`;
}

function describeNode(graph: Graph, subTopology: SubTopology, node: GraphNode): string[] {
  switch (node.kind) {
    case 'source':
      return [node.id, `  reads topic ${node.topic} (${serdes(node)})`, ...policyOf(node), ...followersOf(graph, node)];
    case 'sink':
      return [
        node.id,
        `  writes topic ${node.topic ?? 'chosen by a function of the record'} (${serdes(node)})`,
        ...policyOf(node),
      ];
    case 'repartition':
      return describeRepartition(graph, subTopology, node);
    case 'globalTable':
      return describeGlobalTable(node);
    case 'internalInput':
      return [
        node.id,
        `  notes and reads topic ${internalInputTopic(APPLICATION, internalInput(node))}`,
        ...followersOf(graph, node),
      ];
    default:
      return [
        node.keyed ? `${node.id} (by key)` : node.id,
        ...graph.stores.filter((store) => store.owner === node.id).flatMap(describeStore),
        ...node.reads.map((store) => `  reads store ${store}`),
        ...(node.globals ?? []).map((store) => `  reads global store ${store}`),
        ...policyOf(node),
        ...followersOf(graph, node),
      ];
  }
}

function describeGlobalTable(node: GlobalTableNode): string[] {
  return [
    node.id,
    `  reads topic ${node.topic} (${serdes(node)})`,
    `  global store ${node.store}, kept in step by the topic itself`,
    ...policyOf(node),
  ];
}

/**
 * A repartition is listed in the sub-topology that writes its topic and in the one that reads it, or in one
 * if it does both.
 */
function describeRepartition(graph: Graph, subTopology: SubTopology, node: RepartitionNode): string[] {
  const topic = repartitionTopic(APPLICATION, node.name);
  const isRead = (id: string): boolean =>
    subTopology.repartitions.some((name) =>
      graph.nodes.some((other) => other.id === id && other.kind === 'repartition' && other.name === name),
    );
  const runsHere = (id: string): boolean =>
    graph.nodes.find((other) => other.id === id)?.kind === 'repartition' ? isRead(id) : subTopology.nodes.includes(id);
  const reads = isRead(node.id);
  const writes = graph.edges.some(({ from, to }) => to === node.id && runsHere(from));
  const verb = [...(writes ? ['writes'] : []), ...(reads ? ['reads'] : [])].join(' and ');
  const partitions =
    node.partitions === null ? '' : `, ${node.partitions} partition${node.partitions === 1 ? '' : 's'}`;
  return [
    node.id,
    `  ${verb} topic ${topic} (${serdes(node)}${partitions})`,
    ...policyOf(node),
    ...(reads ? followersOf(graph, node) : []),
  ];
}

function describeStore(store: GraphStore): string[] {
  const ttl = store.ttlMs === null ? '' : `, rows live ${durationText(store.ttlMs)}`;
  const history = store.historyMs === undefined ? '' : `, past of ${durationText(store.historyMs)}`;
  return [
    `  store ${store.name} (${store.kind}, ${serdes(store)}${ttl}${history})`,
    `    changelog ${changelogTopic(APPLICATION, store.name)}`,
  ];
}

function followersOf(graph: Graph, node: GraphNode): string[] {
  return graph.edges
    .filter(({ from }) => from === node.id)
    .map(({ to, through, onError = [] }) => {
      const operators = through.map(
        (label, i) => `${label}${onError[i] ? ` (on error ${policyText(onError[i])})` : ''}`,
      );
      return `  → ${to}${operators.length === 0 ? '' : ` through ${operators.join(', ')}`}`;
    });
}

const policyOf = ({ onError }: GraphNode): readonly string[] => (onError ? [`  on error ${policyText(onError)}`] : []);

/** `skip`, or `retry 5 times (100ms, then 2 times as long each time, at most 30s; jitter 0.2), then skip`. */
function policyText({ retries, backoff: { fromMs, factor, maxMs, jitter }, then }: ResolvedPolicy): string {
  if (retries === 0) return then;
  const grows = factor === 1 ? '' : `, then ${factor} times as long each time, at most ${durationText(maxMs)}`;
  const pauses = `${durationText(fromMs)}${grows}${jitter === 0 ? '' : `; jitter ${jitter}`}`;
  return `retry ${retries} time${retries === 1 ? '' : 's'} (${pauses}), then ${then}`;
}

const serdes = ({ key, value }: { readonly key: string; readonly value: string }): string =>
  `key ${key}, value ${value}`;

/** A duration in the largest unit that divides it: how the user wrote it, or could have. */
function durationText(ms: number): string {
  const units = [
    [86_400_000, 'd'],
    [3_600_000, 'h'],
    [60_000, 'm'],
    [1_000, 's'],
  ] as const;
  const [size, unit] = units.find(([size]) => ms >= size && ms % size === 0) ?? [1, 'ms'];
  return `${ms / size}${unit}`;
}
