import type { GroupMember } from '../../broker/port.js';
import { taskId } from '../../graph/naming.js';
import { agree } from './compatibility.js';
import {
  type Assignment,
  decodeMemberState,
  encodeAssignment,
  type MemberState,
  type SubTopologyShape,
} from './member-state.js';

/** A member that can get tasks. */
interface Candidate extends MemberState {
  readonly memberId: string;
  /** {@link MemberState.onDisk} as a set: it is searched for each task and each other member. */
  readonly disk: ReadonlySet<string>;
  /** The tasks that it will get, by sub-topology; without the sub-topologies that it cannot run. */
  readonly share: ReadonlyMap<string, string[]>;
}

/**
 * Assigns tasks to members. Of each sub-topology, and of all together, no member gets two more than another,
 * as far as members can run the same. Tasks of one sub-topology cost about the same, while tasks of different
 * ones often do not. One process with all joins and another with all counts would not share the work evenly.
 *
 * Each member keeps its open tasks, as far as that allows. Each remaining task goes to a member with its
 * state on disk, or else to the member with the fewest tasks. This keeps state where it is.
 *
 * Members with contradictory topologies cannot share an application. Those that already run tasks stay; the
 * others are refused with the reason. A topology that only adds sub-topologies, or lacks some, is no
 * contradiction. Tasks go to members that have them in their topology, so a new version can be rolled out one
 * process at a time.
 *
 * @param planned The leader's current shapes, with the current partition counts of its topics.
 */
export function assignTasks(
  members: readonly GroupMember[],
  planned: readonly SubTopologyShape[] = [],
): ReadonlyMap<string, Buffer> {
  const states = members.map(({ memberId, metadata }) => ({ memberId, ...decodeMemberState(metadata) }));
  const { shapes, refused } = agree(states);
  const candidates = states
    .filter(({ memberId }) => !refused.has(memberId))
    .map((state) => ({
      ...state,
      disk: new Set(state.onDisk),
      share: new Map(state.shapes.map(({ id }) => [id, [] as string[]])),
    }));
  const tasks = tasksOf(shapes, planned);
  for (const [id, own] of tasks) shareOut(id, own, candidates);
  while (levelAll(candidates));
  const assignments = new Map<string, Assignment>([
    ...candidates.map((member) => [member.memberId, { tasks: [...member.share.values()].flat() }] as const),
    ...[...refused].map(([memberId, reason]) => [memberId, { refused: reason }] as const),
  ]);
  const told = new Map(members.map(({ memberId, metadata }) => [memberId, metadata]));
  return new Map(
    [...assignments].map(([memberId, assignment]) => [memberId, encodeAssignment(assignment, told.get(memberId))]),
  );
}

/** The tasks of each sub-topology. */
function tasksOf(
  shapes: readonly SubTopologyShape[],
  planned: readonly SubTopologyShape[],
): ReadonlyMap<string, readonly string[]> {
  return new Map(
    shapes.map(({ id, partitions }) => {
      const now = planned.find((shape) => shape.id === id)?.partitions ?? 0;
      return [id, Array.from({ length: Math.max(partitions, now) }, (_, partition) => taskId(id, partition))];
    }),
  );
}

const shareOf = ({ share }: Candidate, id: string): string[] => share.get(id) ?? [];

const totalOf = ({ share }: Candidate): number => [...share.values()].reduce((sum, { length }) => sum + length, 0);

/** By the number of tasks of a sub-topology, then in total. */
const byShare =
  (id: string) =>
  (a: Candidate, b: Candidate): number =>
    shareOf(a, id).length - shareOf(b, id).length || totalOf(a) - totalOf(b);

/** Assigns the tasks of one sub-topology to the members that can run it. */
function shareOut(id: string, tasks: readonly string[], all: readonly Candidate[]): void {
  const candidates = all.filter(({ share }) => share.has(id));
  if (candidates.length === 0) return;
  const free = new Set(tasks);
  const most = Math.ceil(tasks.length / candidates.length);
  // Of surplus tasks, a member first gives up those that other members have on disk, too.
  const elsewhere = (member: Candidate, task: string): number =>
    Number(candidates.some((other) => other !== member && other.disk.has(task)));
  for (const wished of ['tasks', 'onDisk'] as const) {
    for (const member of candidates) {
      const own = shareOf(member, id);
      for (const task of member[wished].toSorted((a, b) => elsewhere(member, a) - elsewhere(member, b)))
        if (own.length < most && free.delete(task)) own.push(task);
    }
  }
  for (const task of free) shareOf(candidates.toSorted(byShare(id))[0] as Candidate, id).push(task);
  for (;;) {
    const [poor, rich] = ends(candidates.toSorted(byShare(id)));
    if (shareOf(rich, id).length - shareOf(poor, id).length < 2) return;
    move(id, rich, poor);
  }
}

const ends = (sorted: readonly Candidate[]): readonly [Candidate, Candidate] => [
  sorted[0] as Candidate,
  sorted.at(-1) as Candidate,
];

/** Moves one task, preferably one that the receiver has on disk. */
function move(id: string, from: Candidate, to: Candidate): void {
  const own = shareOf(from, id);
  const task = own.find((each) => to.disk.has(each)) ?? (own.at(-1) as string);
  own.splice(own.indexOf(task), 1);
  shareOf(to, id).push(task);
}

/**
 * Moves one task to a member that has at least two fewer in total than the current owner. The task is of a
 * sub-topology of which the receiver also has fewer, so the shares of that sub-topology stay level. False if
 * there is nothing to move.
 */
function levelAll(candidates: readonly Candidate[]): boolean {
  const sorted = candidates.toSorted((a, b) => totalOf(a) - totalOf(b));
  for (const poor of sorted) {
    for (const rich of sorted.toReversed()) {
      if (totalOf(rich) - totalOf(poor) < 2) break;
      const ids = [...rich.share.keys()].filter(
        (id) => poor.share.has(id) && shareOf(rich, id).length > shareOf(poor, id).length,
      );
      const id = ids.find((each) => shareOf(rich, each).some((task) => poor.disk.has(task))) ?? ids[0];
      if (id === undefined) continue;
      move(id, rich, poor);
      return true;
    }
  }
  return false;
}
