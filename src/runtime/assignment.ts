import type { GroupMember } from '../broker/port.js';

/** What a member tells the leader, and what the leader answers: task ids. JSON, format 1. */
const FORMAT = 1;

export const encodeTasks = (tasks: readonly string[]): Buffer => Buffer.from(JSON.stringify({ format: FORMAT, tasks }));

export function decodeTasks(bytes: Buffer): readonly string[] {
  if (bytes.length === 0) return [];
  const { format, tasks } = JSON.parse(bytes.toString('utf8')) as { format: number; tasks: readonly string[] };
  return format === FORMAT ? tasks : [];
}

/**
 * Shares the tasks out: each member keeps what it has, as far as nobody gets more than one task above anybody else; the rest goes to whoever has fewest. State stays where it is.
 */
export function assignTasks(members: readonly GroupMember[], tasks: readonly string[]): ReadonlyMap<string, Buffer> {
  const shares = new Map<string, string[]>(members.map(({ memberId }) => [memberId, []]));
  const free = new Set(tasks);
  const most = Math.ceil(tasks.length / Math.max(1, members.length));
  for (const { memberId, metadata } of members) {
    const share = shares.get(memberId) as string[];
    for (const task of decodeTasks(metadata)) {
      if (share.length < most && free.delete(task)) share.push(task);
    }
  }
  for (const task of free) {
    const fewest = [...shares.values()].reduce((a, b) => (b.length < a.length ? b : a));
    fewest.push(task);
  }
  level(shares);
  return new Map([...shares].map(([memberId, share]) => [memberId, encodeTasks(share)]));
}

/** Moves tasks from who has most to who has fewest, until they differ by one at most. */
function level(shares: ReadonlyMap<string, string[]>): void {
  for (;;) {
    const sorted = [...shares.values()].sort((a, b) => a.length - b.length);
    const [fewest, most] = [sorted[0], sorted.at(-1)];
    if (!fewest || !most || most.length - fewest.length < 2) return;
    fewest.push(most.pop() as string);
  }
}
