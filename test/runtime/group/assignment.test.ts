import assert from 'node:assert/strict';
import { deflateRawSync } from 'node:zlib';
import fc from 'fast-check';
import { assignTasks } from '#src/runtime/group/assignment.js';
import {
  decodeAssignment,
  decodeMemberState,
  encodeAssignment,
  encodeMemberState,
  encodeOlderState,
  type MemberState,
  type SubTopologyShape,
} from '#src/runtime/group/member-state.js';

type Shares = ReadonlyMap<string, readonly string[]>;

const shape = (partitions: number, more: Partial<SubTopologyShape> = {}): SubTopologyShape => ({
  id: 't',
  topics: ['t'],
  repartitions: [],
  stores: ['s: string to json'],
  partitions,
  ...more,
});

type Members = ReadonlyMap<string, Partial<MemberState>>;

const answers = (members: Members): ReadonlyMap<string, ReturnType<typeof decodeAssignment>> => {
  const group = [...members].map(([memberId, state]) => ({
    memberId,
    metadata: encodeMemberState({ tasks: [], onDisk: [], shapes: [], ...state }),
  }));
  return new Map([...assignTasks(group)].map(([memberId, bytes]) => [memberId, decodeAssignment(bytes)]));
};

const sharesOf = (members: Members): Shares =>
  new Map(
    [...answers(members)].map(([memberId, answer]) => {
      assert.ok('tasks' in answer, JSON.stringify(answer));
      return [memberId, answer.tasks];
    }),
  );

const assign = (members: Shares, tasks: readonly string[]): Shares =>
  sharesOf(new Map([...members].map(([id, held]) => [id, { tasks: held, shapes: [shape(tasks.length)] }])));

const names = (count: number): string[] => Array.from({ length: count }, (_, i) => `t-${i}`);
const fresh = (count: number): Shares => new Map(Array.from({ length: count }, (_, i) => [`m-${i}`, []]));

function assertFair(shares: Shares, tasks: readonly string[]): void {
  const sizes = [...shares.values()].map((share) => share.length);
  assert.deepEqual([...shares.values()].flat().toSorted(), tasks.toSorted());
  assert.ok(Math.max(...sizes) - Math.min(...sizes) <= 1, `${sizes}`);
}

const sizes = [fc.integer({ min: 0, max: 40 }), fc.integer({ min: 1, max: 9 })] as const;

describe('the assignment of tasks', () => {
  it('gives every task to exactly one member, and no member two more than another', () => {
    fc.assert(
      fc.property(...sizes, (tasks, members) => assertFair(assign(fresh(members), names(tasks)), names(tasks))),
    );
  });

  describe('of several sub-topologies', () => {
    const ids = ['a', 'b', 'c', 'd'];
    const tasksBySub = fc.array(fc.integer({ min: 0, max: 20 }), { minLength: 1, maxLength: ids.length });
    const shapesOf = (counts: readonly number[]): SubTopologyShape[] =>
      counts.map((partitions, i) =>
        shape(partitions, { id: ids[i] as string, topics: [ids[i] as string], stores: [] }),
      );
    const of = (id: string, tasks: readonly string[] = []): readonly string[] =>
      tasks.filter((task) => task.startsWith(`${id}-`));
    const sharedOut = (counts: readonly number[], members: Shares): Shares =>
      sharesOf(
        new Map([...members].map(([id, held]) => [id, { tasks: held, onDisk: held, shapes: shapesOf(counts) }])),
      );
    const assertLevel = (counts: readonly number[], shares: Shares): void => {
      for (const [i, count] of counts.entries()) {
        const id = ids[i] as string;
        const all = [...shares.values()].map((share) => of(id, share));
        assert.equal(new Set(all.flat()).size, count);
        assertLevelSizes(all.map(({ length }) => length));
      }
      assertLevelSizes([...shares.values()].map(({ length }) => length));
    };
    const assertLevelSizes = (lengths: readonly number[]): void =>
      assert.ok(Math.max(...lengths) - Math.min(...lengths) <= 1, `${lengths}`);

    it('is level for each of them, and for all together', () => {
      fc.assert(
        fc.property(tasksBySub, fc.integer({ min: 1, max: 7 }), (counts, members) => {
          assertLevel(counts, sharedOut(counts, fresh(members)));
        }),
      );
    });

    it('gives a second process its share of each, when it comes and when the first one comes back', () => {
      const first = sharedOut([8, 8], fresh(1));
      const both = sharedOut([8, 8], new Map([...first, ['m-new', []]]));
      for (const share of both.values()) assert.deepEqual([of('a', share).length, of('b', share).length], [4, 4]);
    });

    it('moves nothing when nothing changes, and stays level while members come and go', () => {
      const changes = fc.array(fc.constantFrom('come', 'go', 'stay'), { maxLength: 12 });
      fc.assert(
        fc.property(tasksBySub, changes, (counts, steps) => {
          let shares = sharedOut(counts, fresh(2));
          for (const [n, step] of steps.entries()) {
            const before = new Map(shares);
            if (step === 'come') before.set(`new-${n}`, []);
            if (step === 'go' && before.size > 1) before.delete([...before.keys()][0] as string);
            shares = sharedOut(counts, before);
            assertLevel(counts, shares);
            if (step === 'stay')
              for (const [id, held] of before) assert.deepEqual(shares.get(id)?.toSorted(), held.toSorted());
          }
        }),
      );
    });

    it('moves, when a member comes, at most what that one gets and one task for each sub-topology', () => {
      fc.assert(
        fc.property(tasksBySub, fc.integer({ min: 1, max: 5 }), (counts, members) => {
          const before = sharedOut(counts, fresh(members));
          const after = sharedOut(counts, new Map([...before, ['m-new', []]]));
          const moved = [...before].flatMap(([id, held]) => held.filter((task) => !after.get(id)?.includes(task)));
          const gets = after.get('m-new')?.length ?? 0;
          assert.ok(moved.length <= gets + counts.length, `${moved.length} moved, the new member gets ${gets}`);
        }),
        { examples: [[[14, 3], 5]] },
      );
    });
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

  it('gives a member back what lies on its disk', () => {
    const shapes = [shape(4)];
    const back = sharesOf(
      new Map([
        ['m-0', { shapes, tasks: names(4), onDisk: names(4) }],
        ['m-1', { shapes, onDisk: ['t-0', 't-2'] }],
      ]),
    );
    assert.deepEqual(back.get('m-1')?.toSorted(), ['t-0', 't-2']);
    const afresh = sharesOf(
      new Map([
        ['m-0', { shapes, onDisk: ['t-3', 't-1'] }],
        ['m-1', { shapes, onDisk: ['t-0', 't-2'] }],
      ]),
    );
    assert.deepEqual(afresh.get('m-0')?.toSorted(), ['t-1', 't-3']);
  });

  it('gives what only some members can run to those, and shares out each sub-topology that more can run', () => {
    const added = shape(3, { id: 'u', topics: ['u'], stores: [] });
    const shares = sharesOf(
      new Map([
        ['old', { shapes: [shape(4)], tasks: names(4) }],
        ['new', { shapes: [shape(4), added] }],
      ]),
    );
    assert.deepEqual(shares.get('new')?.toSorted(), ['t-2', 't-3', 'u-0', 'u-1', 'u-2']);
    assert.deepEqual(shares.get('old')?.toSorted(), ['t-0', 't-1']);
  });

  for (const [why, other, reason] of [
    [
      'another store',
      { stores: ['s: string to json', 'v: string to json'] },
      /has store s: .*, store v: string to json here/,
    ],
    [
      'a store of another serde',
      { stores: ['s: string to int64'] },
      /string to json there, and .* string to int64 here/,
    ],
    ['another source', { topics: ['t', 'x'] }, /reads t and .* there, and reads t, x and/],
    [
      'a source in another sub-topology',
      { id: 'a', topics: ['a', 't'], stores: [] },
      /topic t belongs to sub-topology t there/,
    ],
    [
      'a store in another sub-topology',
      { id: 'a', topics: ['a'] },
      /store s belongs to sub-topology t there, and to a here/,
    ],
  ] as const) {
    it(`refuses a member with ${why}, and not the one that runs`, () => {
      const answer = answers(
        new Map<string, Partial<MemberState>>([
          ['a-new', { shapes: [shape(2, other)] }],
          ['running', { shapes: [shape(2)], tasks: ['t-0'] }],
        ]),
      );
      const refused = answer.get('a-new');
      assert.ok(refused && 'refused' in refused);
      assert.match(refused.refused, reason);
      assert.deepEqual(answer.get('running'), { tasks: names(2) });
    });
  }

  it('takes metadata of another format, or none, as a member that runs nothing', () => {
    assert.deepEqual(decodeMemberState(Buffer.alloc(0)).tasks, []);
    assert.deepEqual(decodeMemberState(Buffer.from('{"format":2,"tasks":["a"]}')).tasks, []);
    assert.deepEqual(decodeAssignment(Buffer.alloc(0)), { tasks: [] });
    assert.deepEqual(decodeAssignment(Buffer.from('{"format":2,"tasks":["a"]}')), { tasks: [] });
  });

  it('tells an older member its part in its own format, and all others theirs', () => {
    const state = { tasks: ['t-1'], onDisk: ['t-1', 't-2'], shapes: [shape(4)] };
    const older = encodeOlderState(state) as Buffer;
    assert.deepEqual(JSON.parse(older.toString()), { format: 1, ...state });
    const told = assignTasks([
      { memberId: 'older', metadata: older },
      { memberId: 'newer', metadata: encodeMemberState({ ...state, tasks: ['t-0'] }) },
    ]);
    assert.deepEqual(JSON.parse(String(told.get('older'))), { format: 1, tasks: ['t-1', 't-2'] });
    assert.deepEqual(decodeAssignment(told.get('newer') as Buffer), { tasks: ['t-0', 't-3'] });
  });

  it('refuses an older member in its own format', () => {
    const told = assignTasks([
      { memberId: 'older', metadata: encodeOlderState({ tasks: [], onDisk: [], shapes: [shape(2)] }) as Buffer },
      {
        memberId: 'newer',
        metadata: encodeMemberState({ tasks: ['t-0'], onDisk: [], shapes: [shape(2, { topics: ['x'] })] }),
      },
    ]);
    const { format, refused } = JSON.parse(String(told.get('older'))) as { format: number; refused: string };
    assert.equal(format, 1);
    assert.match(refused, /reads x/);
  });

  it('with twenty thousand tasks, wherever they lie, is a record that a broker takes, and comes at once', () => {
    const count = 20_000;
    const lies: readonly ((task: number, member: number, of: number) => boolean)[] = [
      () => true,
      (task, member, of) => task % of === member,
      (task, member) => ((task * 2_654_435_761 + member * 97) >>> 7) % 2 === 0,
    ];
    for (const members of [2, 25]) {
      for (const onDisk of lies) {
        const group = Array.from({ length: members }, (_, member) => ({
          memberId: `m-${member}`,
          metadata: encodeMemberState({
            tasks: names(count).filter((_, task) => task % members === member),
            onDisk: names(count).filter((_, task) => onDisk(task, member, members)),
            shapes: [shape(count)],
          }),
        }));
        const told = assignTasks(group);
        const bytes = group.reduce((sum, { memberId, metadata }) => {
          const assignment = told.get(memberId) as Buffer;
          return sum + metadata.length + assignment.length;
        }, 0);
        assert.ok(bytes < 500_000, `${members} members: ${bytes} bytes`);
        const given = [...told.values()].flatMap((answer) => {
          const assignment = decodeAssignment(answer);
          return 'tasks' in assignment ? assignment.tasks : [];
        });
        assert.equal(new Set(given).size, count);
      }
    }
  });
});

describe('the tasks that a member reports', () => {
  const partitions = fc.oneof(fc.nat(40), fc.nat(999_999));
  const ids = fc.oneof(
    fc.tuple(fc.constantFrom('a', 'a-1', '-', '__proto__', 'zoë'), partitions).map(([id, n]) => `${id}-${n}`),
    fc.constantFrom('', 'a-01', 'a--1', 'a-1.5', 'a-99999999999', '\n-3'),
    fc.string(),
  );

  it('are those that it has, in whichever order it has them', () => {
    fc.assert(
      fc.property(fc.array(ids), fc.array(ids), (tasks, onDisk) => {
        const decoded = decodeMemberState(encodeMemberState({ tasks, onDisk, shapes: [] }));
        assert.deepEqual(decoded.tasks.toSorted(), [...new Set(tasks)].toSorted());
        assert.deepEqual(decoded.onDisk.toSorted(), [...new Set(onDisk)].toSorted());
        const answer = decodeAssignment(encodeAssignment({ tasks }));
        assert.deepEqual('tasks' in answer && answer.tasks.toSorted(), [...new Set(tasks)].toSorted());
      }),
    );
  });

  it('are none if they are more than anybody has: nothing is made of them', () => {
    const packed = (fields: object): Buffer =>
      Buffer.concat([Buffer.from([2]), deflateRawSync(JSON.stringify(fields))]);
    const few = { ranges: [['t', [0, 2]]], others: [] };
    for (const runs of [[0, 2_000_000], [0, 2 ** 53], [2_000_000, 1], [0, -1], [0, 0.5], Array(9).fill(900_000)]) {
      const bytes = packed({ tasks: few, onDisk: { ranges: [['t', runs]], others: [] }, shapes: [] });
      assert.deepEqual(decodeMemberState(bytes).tasks, []);
    }
    const many = { ranges: Array(3).fill(['t', [0, 900_000]]), others: [] };
    assert.deepEqual(decodeAssignment(packed({ tasks: many })), { tasks: [] });
    assert.deepEqual(decodeAssignment(packed({ tasks: few })), { tasks: ['t-0', 't-1'] });
    const bomb = Buffer.concat([Buffer.from([2]), deflateRawSync(Buffer.alloc(64 * 1024 * 1024, 32))]);
    assert.deepEqual(decodeAssignment(bomb), { tasks: [] });
    const state = { tasks: ['t-0'], onDisk: [], shapes: [shape(2_000_000)] };
    assert.deepEqual(decodeMemberState(encodeMemberState(state)).shapes, []);
  });
});
