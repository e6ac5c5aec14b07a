import assert from 'node:assert/strict';
import fc from 'fast-check';
import { assignTasks, decodeTasks, encodeTasks } from '#src/runtime/assignment.js';

type Shares = ReadonlyMap<string, readonly string[]>;

const assign = (members: Shares, tasks: readonly string[]): Shares => {
  const group = [...members].map(([memberId, held]) => ({ memberId, metadata: encodeTasks(held) }));
  return new Map([...assignTasks(group, tasks)].map(([memberId, bytes]) => [memberId, decodeTasks(bytes)]));
};

const names = (count: number): string[] => Array.from({ length: count }, (_, i) => `t-${i}`);
const fresh = (count: number): Shares => new Map(Array.from({ length: count }, (_, i) => [`m-${i}`, []]));

function assertFair(shares: Shares, tasks: readonly string[]): void {
  const sizes = [...shares.values()].map((share) => share.length);
  assert.deepEqual([...shares.values()].flat().toSorted(), tasks.toSorted());
  assert.ok(Math.max(...sizes) - Math.min(...sizes) <= 1, `${sizes}`);
}

const sizes = [fc.integer({ min: 0, max: 40 }), fc.integer({ min: 1, max: 9 })] as const;

describe('the assignment of tasks', () => {
  it('gives every task to exactly one member, and nobody two more than another', () => {
    fc.assert(
      fc.property(...sizes, (tasks, members) => assertFair(assign(fresh(members), names(tasks)), names(tasks))),
    );
  });

  it('moves nothing when nothing changes', () => {
    fc.assert(
      fc.property(...sizes, (tasks, members) => {
        const before = assign(fresh(members), names(tasks));
        const after = assign(before, names(tasks));
        for (const [member, share] of before) assert.deepEqual(after.get(member)?.toSorted(), share.toSorted());
      }),
    );
  });

  it('moves to a new member only what it needs', () => {
    fc.assert(
      fc.property(...sizes, (tasks, members) => {
        const before = assign(fresh(members), names(tasks));
        const after = assign(new Map([...before, ['m-new', []]]), names(tasks));
        assertFair(after, names(tasks));
        for (const [member, share] of before)
          for (const task of after.get(member) ?? [])
            assert.ok(share.includes(task), `${task} moved between old members`);
      }),
    );
  });

  it('leaves those that stay what they have when one goes', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 40 }), fc.integer({ min: 2, max: 9 }), (tasks, members) => {
        const before = assign(fresh(members), names(tasks));
        const left = new Map([...before].slice(1));
        const after = assign(left, names(tasks));
        assertFair(after, names(tasks));
        for (const [member, share] of left) for (const task of share) assert.ok(after.get(member)?.includes(task));
      }),
    );
  });

  it('is fair whatever the members claim to have: unknown tasks, the same ones, all of them', () => {
    const claims = fc.array(fc.array(fc.integer({ min: 0, max: 30 }), { maxLength: 30 }), {
      minLength: 1,
      maxLength: 6,
    });
    fc.assert(
      fc.property(claims, fc.integer({ min: 0, max: 20 }), (claimed, tasks) => {
        const members = new Map(claimed.map((held, i) => [`m-${i}`, held.map((n) => `t-${n}`)]));
        assertFair(assign(members, names(tasks)), names(tasks));
      }),
    );
  });

  it('takes metadata of another format, or none, as a member that has nothing', () => {
    assert.deepEqual(decodeTasks(Buffer.alloc(0)), []);
    assert.deepEqual(decodeTasks(Buffer.from('{"format":2,"tasks":["a"]}')), []);
  });
});
