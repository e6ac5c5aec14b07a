import type { Graph, SubTopology } from '../graph/graph.js';
import { isFields } from './offset-texts.js';
import type { Slot } from './slots.js';

/** What of a sub-topology all members that run it must agree on: where its records come from, and what its stores are. */
export interface Shape {
  readonly id: string;
  readonly topics: readonly string[];
  readonly repartitions: readonly string[];
  /** `<name>: <key serde> to <value serde>`. */
  readonly stores: readonly string[];
  /** How many tasks it has. */
  readonly partitions: number;
}

/** What a member tells the leader. */
export interface MemberState {
  /** Tasks that it has open. */
  readonly tasks: readonly string[];
  /** Tasks whose state lies in its directory, from now or before. */
  readonly onDisk: readonly string[];
  readonly shapes: readonly Shape[];
}

/** What the leader answers: the member's tasks, or why it cannot be one of the group. */
export type Assignment = { readonly tasks: readonly string[] } | { readonly refused: string };

/** JSON, format 1. */
const FORMAT = 1;
const NOTHING: MemberState = { tasks: [], onDisk: [], shapes: [] };

export const encodeMemberState = (state: MemberState): Buffer =>
  Buffer.from(JSON.stringify({ format: FORMAT, ...state }));

/**
 * What is of another format, or no such thing at all, is a member that runs nothing: whoever may join the
 * group may say anything.
 */
export function decodeMemberState(bytes: Buffer): MemberState {
  const { format, tasks, onDisk, shapes } = fieldsIn(bytes);
  return format === FORMAT && areTexts(tasks) && areTexts(onDisk) && Array.isArray(shapes) && shapes.every(isShape)
    ? { tasks, onDisk, shapes }
    : NOTHING;
}

export const encodeAssignment = (assignment: Assignment): Buffer =>
  Buffer.from(JSON.stringify({ format: FORMAT, ...assignment }));

/** A member that was left out gets no tasks. */
export function decodeAssignment(bytes: Buffer): Assignment {
  const { format, tasks, refused } = fieldsIn(bytes);
  if (format === FORMAT && typeof refused === 'string') return { refused };
  return { tasks: format === FORMAT && areTexts(tasks) ? tasks : [] };
}

function fieldsIn(bytes: Buffer): Readonly<Record<string, unknown>> {
  try {
    const json: unknown = JSON.parse(bytes.toString('utf8'));
    return isFields(json) ? json : {};
  } catch {
    return {};
  }
}

const areTexts = (list: unknown): list is readonly string[] =>
  Array.isArray(list) && list.every((text) => typeof text === 'string');

const isShape = (shape: unknown): shape is Shape =>
  isFields(shape) &&
  typeof shape.id === 'string' &&
  [shape.topics, shape.repartitions, shape.stores].every(areTexts) &&
  Number.isSafeInteger(shape.partitions);

/** The shapes of a topology, with as many tasks as it has slots. */
export function shapesOf(graph: Graph, slots: Iterable<Slot>): readonly Shape[] {
  const partitions = new Map<string, number>();
  for (const { subTopology } of slots) partitions.set(subTopology.id, (partitions.get(subTopology.id) ?? 0) + 1);
  return graph.subTopologies.map((subTopology) => ({
    id: subTopology.id,
    topics: subTopology.topics.toSorted(),
    repartitions: subTopology.repartitions.toSorted(),
    stores: storesOf(graph, subTopology),
    partitions: partitions.get(subTopology.id) ?? 0,
  }));
}

const storesOf = ({ stores }: Graph, subTopology: SubTopology): readonly string[] =>
  stores
    .filter(({ name }) => subTopology.stores.includes(name))
    .map(({ name, key, value }) => `${name}: ${key} to ${value}`)
    .toSorted();
