import { deflateRawSync, inflateRawSync } from 'node:zlib';
import type { MembershipOptions } from '../../broker/port.js';
import type { Graph, SubTopology } from '../../graph/graph.js';
import { lettersInput } from '../../graph/naming.js';
import { isFields } from '../config/offset-texts.js';
import type { PlannedTask } from '../topics/planned-tasks.js';
import { fromRanges, MAX_TASKS, toRanges } from './task-ranges.js';

/** What all members that run a sub-topology must agree on: its inputs and its stores. */
export interface SubTopologyShape {
  readonly id: string;
  readonly topics: readonly string[];
  readonly repartitions: readonly string[];
  /** `<name>: <key serde> to <value serde>`. */
  readonly stores: readonly string[];
  /** Number of tasks. */
  readonly partitions: number;
}

/** What a member sends to the leader. */
export interface MemberState {
  /** Its open tasks. */
  readonly tasks: readonly string[];
  /** Tasks with state in its directory, from now or before. */
  readonly onDisk: readonly string[];
  readonly shapes: readonly SubTopologyShape[];
}

/** The leader's answer: the member's tasks, or the reason why it cannot be a member. */
export type Assignment = { readonly tasks: readonly string[] } | { readonly refused: string };

/**
 * The metadata of all members together is one record of the group's topic: 1 MiB at most. So tasks are
 * encoded as ranges (see `task-ranges.ts`), and the whole is compressed.
 *
 * | format | bytes |
 * |---|---|
 * | 1 | JSON: `{"format":1,"tasks":["orders-0",…],"onDisk":[…],"shapes":[…]}`, and as an answer `tasks` or `refused` |
 * | 2 | a byte 2, then raw deflate of JSON with ranges in place of lists |
 *
 * A group uses format 2 if all of its members support it. While one member only supports format 1, the broker
 * makes all use that (see {@link encodeOlderState}). So a new version can be rolled out one process at a
 * time. Each member gets its answer in the format that it uses.
 */
const FORMAT = 2;
const OLDER_FORMAT = 1;
type Format = typeof FORMAT | typeof OLDER_FORMAT;
/** After decompression: enough for the shapes of some thousand sub-topologies. */
const MAX_UNPACKED_BYTES = 16 * 1024 * 1024;
/**
 * A few larger members would exceed the limit of the group's record, so no group of an older version has
 * them.
 */
const MAX_OLDER_BYTES = 256 * 1024;
const NOTHING: MemberState = { tasks: [], onDisk: [], shapes: [] };

export const encodeMemberState = ({ tasks, onDisk, shapes }: MemberState): Buffer =>
  packed({ tasks: toRanges(tasks), onDisk: toRanges(onDisk), shapes });

/** The same in format 1; undefined if it is too large for that. */
export function encodeOlderState(state: MemberState): Buffer | undefined {
  const bytes = Buffer.from(JSON.stringify({ format: OLDER_FORMAT, ...state }));
  return bytes.length > MAX_OLDER_BYTES ? undefined : bytes;
}

/** The metadata of a member, computed at each request: its current tasks and the rest. */
export function metadataOf(
  member: { readonly tasks: readonly { readonly id: string }[] },
  rest: () => { readonly onDisk: Iterable<string>; readonly shapes: readonly SubTopologyShape[] },
): Pick<MembershipOptions, 'metadata' | 'olderMetadata'> {
  const state = (): MemberState => {
    const { onDisk, shapes } = rest();
    return { tasks: member.tasks.map(({ id }) => id), onDisk: [...onDisk], shapes };
  };
  return { metadata: () => encodeMemberState(state()), olderMetadata: () => encodeOlderState(state()) };
}

/**
 * Anyone allowed to join the group may send anything. Metadata of another format, or invalid metadata, counts
 * as a member that runs nothing.
 */
export function decodeMemberState(bytes: Buffer): MemberState {
  const { tasks, onDisk, shapes } = fieldsIn(bytes);
  const [open, stored] = [tasksIn(bytes, tasks), tasksIn(bytes, onDisk)];
  return open && stored && Array.isArray(shapes) && shapes.every(isShape)
    ? { tasks: open, onDisk: stored, shapes }
    : NOTHING;
}

/** Encodes in the format of the receiving member; `of` is that member's own metadata. */
export const encodeAssignment = (assignment: Assignment, of?: Buffer): Buffer => {
  if (of !== undefined && formatOf(of) === OLDER_FORMAT)
    return Buffer.from(JSON.stringify({ format: OLDER_FORMAT, ...assignment }));
  return packed('refused' in assignment ? assignment : { tasks: toRanges(assignment.tasks) });
};

/** A member without an assignment gets no tasks. */
export function decodeAssignment(bytes: Buffer): Assignment {
  const { tasks, refused } = fieldsIn(bytes);
  return typeof refused === 'string' ? { refused } : { tasks: tasksIn(bytes, tasks) ?? [] };
}

const packed = (fields: object): Buffer =>
  Buffer.concat([Buffer.from([FORMAT]), deflateRawSync(JSON.stringify(fields))]);

const formatOf = (bytes: Buffer): Format => (bytes[0] === FORMAT ? FORMAT : OLDER_FORMAT);

function tasksIn(bytes: Buffer, tasks: unknown): readonly string[] | undefined {
  if (formatOf(bytes) === OLDER_FORMAT) return areTexts(tasks) ? tasks : undefined;
  return isFields(tasks) ? fromRanges({ ranges: tasks.ranges, others: tasks.others }) : undefined;
}

/** Empty if the format is unknown. */
function fieldsIn(bytes: Buffer): Readonly<Record<string, unknown>> {
  try {
    const isPacked = formatOf(bytes) === FORMAT;
    const text = isPacked ? inflateRawSync(bytes.subarray(1), { maxOutputLength: MAX_UNPACKED_BYTES }) : bytes;
    const json: unknown = JSON.parse(text.toString('utf8'));
    return isFields(json) && (isPacked || json.format === OLDER_FORMAT) ? json : {};
  } catch {
    return {};
  }
}

const areTexts = (list: unknown): list is readonly string[] =>
  Array.isArray(list) && list.every((text) => typeof text === 'string');

const isShape = (shape: unknown): shape is SubTopologyShape =>
  isFields(shape) &&
  typeof shape.id === 'string' &&
  [shape.topics, shape.repartitions, shape.stores].every(areTexts) &&
  Number.isInteger(shape.partitions) &&
  Number(shape.partitions) >= 0 &&
  Number(shape.partitions) <= MAX_TASKS;

/** The shapes of a topology, with the number of tasks of each sub-topology. */
export function shapesOf(graph: Graph, tasks: Iterable<PlannedTask>): readonly SubTopologyShape[] {
  const partitions = new Map<string, number>();
  for (const { subTopology } of tasks) partitions.set(subTopology.id, (partitions.get(subTopology.id) ?? 0) + 1);
  return graph.subTopologies.map((subTopology) => ({
    id: subTopology.id,
    topics: [...subTopology.topics, ...inputsOf(subTopology)].toSorted(),
    repartitions: subTopology.repartitions.toSorted(),
    stores: storesOf(graph, subTopology),
    partitions: partitions.get(subTopology.id) ?? 0,
  }));
}

/**
 * A process that does not read an internal input must not share its tasks with one that does. Letters may be
 * fed in for the first time while processes run: those that have started before read them after a restart.
 */
const inputsOf = ({ id, internalInputs = [] }: SubTopology): readonly string[] =>
  internalInputs.filter((input) => input !== lettersInput(id)).map((input) => `internal input ${input}`);

const storesOf = ({ stores }: Graph, subTopology: SubTopology): readonly string[] =>
  stores
    .filter(({ name }) => subTopology.stores.includes(name))
    .map(({ name, key, value }) => `${name}: ${key} to ${value}`)
    .toSorted();
