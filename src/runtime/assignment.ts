import type { GroupMember } from '../broker/port.js';
import { taskId } from '../graph/naming.js';
import { agree } from './compatibility.js';
import { type Assignment, decodeMemberState, encodeAssignment, type MemberState, type Shape } from './member-state.js';

/** A member among whom tasks are shared out. */
interface Candidate extends MemberState {
  readonly memberId: string;
  /** What it will have. */
  readonly share: string[];
  /** Sub-topologies that it can run. */
  readonly runs: ReadonlySet<string>;
}

/** Sub-topologies by task. */
type Tasks = ReadonlyMap<string, string>;

/**
 * Shares the tasks out. Each member keeps what it has open, as far as nobody gets more than one task above anybody else; what is left goes to whoever has its state on disk, else to whoever has fewest. State stays where it is.
 *
 * Members whose topologies contradict each other cannot share an application: those that run tasks already stay, the others are refused with the reason. A topology that only adds sub-topologies, or lacks some, is no
 * contradiction: a task goes to members that know it, so that a new version can be rolled out one process at a time.
 *
 * `planned`: the leader's own shapes as of now, with the partitions that its topics have by now.
 */
export function assignTasks(
  members: readonly GroupMember[],
  planned: readonly Shape[] = [],
): ReadonlyMap<string, Buffer> {
  const states = members.map(({ memberId, metadata }) => ({ memberId, ...decodeMemberState(metadata) }));
  const { shapes, refused } = agree(states);
  const candidates = states
    .filter(({ memberId }) => !refused.has(memberId))
    .map((state) => ({ ...state, share: [], runs: new Set(state.shapes.map(({ id }) => id)) }));
  share(candidates, tasksOf(shapes, planned));
  const assignments = new Map<string, Assignment>([
    ...candidates.map(({ memberId, share: tasks }) => [memberId, { tasks }] as const),
    ...[...refused].map(([memberId, reason]) => [memberId, { refused: reason }] as const),
  ]);
  return new Map([...assignments].map(([memberId, assignment]) => [memberId, encodeAssignment(assignment)]));
}

function tasksOf(shapes: readonly Shape[], planned: readonly Shape[]): Tasks {
  const tasks = new Map<string, string>();
  for (const { id, partitions } of shapes) {
    const now = planned.find((shape) => shape.id === id)?.partitions ?? 0;
    for (let partition = 0; partition < Math.max(partitions, now); partition++) tasks.set(taskId(id, partition), id);
  }
  return tasks;
}

function share(candidates: readonly Candidate[], tasks: Tasks): void {
  const free = new Set(tasks.keys());
  const can = ({ runs }: Candidate, task: string): boolean => runs.has(tasks.get(task) ?? '');
  const most = Math.ceil(tasks.size / Math.max(1, candidates.length));
  // Of what it has too much, a member gives up first what lies on another's disk, too.
  const elsewhere = (member: Candidate, task: string): number =>
    Number(candidates.some((other) => other !== member && other.onDisk.includes(task)));
  for (const wished of ['tasks', 'onDisk'] as const) {
    for (const member of candidates) {
      for (const task of member[wished].toSorted((a, b) => elsewhere(member, a) - elsewhere(member, b)))
        if (member.share.length < most && can(member, task) && free.delete(task)) member.share.push(task);
    }
  }
  for (const task of free) fewest(candidates.filter((member) => can(member, task)))?.share.push(task);
  while (level(candidates, can));
}

const fewest = (candidates: readonly Candidate[]): Candidate | undefined =>
  candidates.reduce<Candidate | undefined>(
    (a, b) => (a === undefined || b.share.length < a.share.length ? b : a),
    undefined,
  );

/** Moves one task to a member that has two fewer than its owner, one whose state lies there if there is such a task. False if there is nothing to move. */
function level(candidates: readonly Candidate[], can: (member: Candidate, task: string) => boolean): boolean {
  const sorted = candidates.toSorted((a, b) => a.share.length - b.share.length);
  for (const poor of sorted) {
    for (const rich of sorted.toReversed()) {
      if (rich.share.length - poor.share.length < 2) break;
      const movable = rich.share.filter((task) => can(poor, task));
      const task = movable.find((id) => poor.onDisk.includes(id)) ?? movable.at(-1);
      if (task === undefined) continue;
      rich.share.splice(rich.share.indexOf(task), 1);
      poor.share.push(task);
      return true;
    }
  }
  return false;
}
