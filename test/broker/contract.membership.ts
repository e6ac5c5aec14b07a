import assert from 'node:assert/strict';
import { type Bench, fails, join, type RecordedMember, unique } from './contract.support.js';

/** Which tasks of a group a process has, and the group's offsets. */
export function membershipContract(bench: Bench): void {
  describe('a member of a group', () => {
    let topic: string;
    let groupId: string;
    beforeEach(async () => {
      topic = await bench.topic(2);
      groupId = unique('group');
    });
    const newMember = async (
      ...more: Parameters<typeof join> extends [unknown, unknown, unknown, ...infer M] ? M : never
    ): Promise<RecordedMember> => join(await bench.cluster.open(), groupId, [topic], ...more);
    const last = (member: RecordedMember): string | undefined => member.events.at(-1);

    it('has joined when it has its first assignment', async () => {
      const member = await newMember();
      assert.deepEqual(member.events, ['assigned part 0 of 1']);
      assert.equal(member.membership.groupId, groupId);
      assert.deepEqual(await bench.broker.admin.groupMembers(groupId), [member.membership.memberId]);
    });

    it('gets its part from the leader, which sees all members in one order with their current metadata', async () => {
      let asked = 0;
      const first = await newMember({ metadata: () => Buffer.from(`first ${++asked}`) });
      const second = await newMember({ metadata: () => Buffer.from('second') });
      const third = await newMember({ metadata: () => Buffer.from('third') });
      await bench.eventually(() => {
        for (const member of [first, second, third]) assert.match(last(member) ?? '', /^assigned part \d of 3$/);
      });
      assert.deepEqual(new Set([first, second, third].map(last)).size, 3);
      const rounds = [first, second, third].flatMap((member) => member.led);
      const ofThree = rounds.filter((round) => round.ids.length === 3);
      assert.ok(ofThree.length >= 1);
      for (const round of rounds)
        assert.deepEqual(
          round.ids,
          ofThree[0]?.ids.filter((id) => round.ids.includes(id)),
        );
      assert.deepEqual([...(ofThree.at(-1)?.metadata ?? [])].sort(), [`first ${asked}`, 'second', 'third']);
      assert.ok(asked >= 3);
    });

    it('gives up its assignment before the group has another, and may commit until then', async () => {
      const order: string[] = [];
      let release: () => void = () => assert.fail('not revoked yet');
      let released = false;
      const first = await newMember({
        onRevoked: async () => {
          if (released) return;
          order.push('first: revoking');
          await new Promise<void>((resolve) => {
            release = resolve;
          });
          await first.membership.commit([{ topic, partition: 0, offset: 4 }]);
          order.push('first: revoked');
        },
      });
      const joining = newMember({
        onAssigned: async () => {
          order.push('second: assigned');
        },
      });
      await bench.eventually(() => assert.deepEqual(order, ['first: revoking']));
      await bench.cluster.pass(20);
      assert.deepEqual(order, ['first: revoking']);
      release();
      released = true;
      const second = await joining;
      assert.deepEqual(order, ['first: revoking', 'first: revoked', 'second: assigned']);
      assert.deepEqual(await second.membership.committed([{ topic, partition: 0 }]), [
        { topic, partition: 0, offset: 4 },
      ]);
    });

    it('that waits for the group gives up when its signal aborts: GROUP_FENCED; the group goes on', async () => {
      let release: () => void = () => undefined;
      let revoking = false;
      const first = await newMember({
        onRevoked: async () => {
          if (revoking) return;
          revoking = true;
          await new Promise<void>((resolve) => {
            release = resolve;
          });
        },
      });
      const giveUp = new AbortController();
      const joining = newMember({ signal: giveUp.signal });
      const failed = assert.rejects(joining, fails('GROUP_FENCED'));
      await bench.eventually(() => assert.ok(revoking));
      giveUp.abort();
      await failed;
      release();
      await bench.eventually(() => assert.equal(last(first), 'assigned part 0 of 1'));
      const never = new AbortController();
      never.abort();
      await assert.rejects(newMember({ signal: never.signal }), fails('GROUP_FENCED'));
    });

    it('counts generations up, and what it did for an old one is over', async () => {
      const first = await newMember();
      const before = first.membership.generation;
      const second = await newMember();
      await bench.eventually(() => assert.match(last(first) ?? '', /^assigned part \d of 2$/));
      assert.ok(first.membership.generation > before);
      assert.equal(first.membership.generation, second.membership.generation);
      await first.membership.commit([{ topic, partition: 0, offset: 1 }]);
      assert.deepEqual(await second.membership.committed([{ topic, partition: 0 }]), [
        { topic, partition: 0, offset: 1 },
      ]);
    });

    it('that the leader leaves out gets an empty assignment', async () => {
      const assign = async (): Promise<Map<string, Buffer>> => new Map();
      const member = await newMember({ assign });
      assert.deepEqual(member.events, ['assigned ']);
    });

    it('that leads and throws is lost with that error, and cannot join', async () => {
      const lost: Error[] = [];
      const joining = newMember({
        assign: async () => {
          throw new Error('cannot assign');
        },
        onLost: (error) => lost.push(error),
      });
      await assert.rejects(joining, /cannot assign/);
      await bench.eventually(() => assert.match(lost[0]?.message ?? '', /cannot assign/));
      assert.deepEqual(await bench.broker.admin.groupMembers(groupId), []);
    });

    it('commits all offsets or none', async () => {
      const { membership } = await newMember();
      const committing = membership.commit([
        { topic, partition: 0, offset: 1 },
        { topic: unique('none'), partition: 0, offset: 1 },
      ]);
      await assert.rejects(committing, fails('TOPIC_UNKNOWN'));
      assert.deepEqual(await membership.committed([{ topic, partition: 0 }]), []);
    });

    it('reads committed offsets of its group; partitions without one are left out', async () => {
      const { membership } = await newMember();
      await membership.commit([{ topic, partition: 1, offset: 2 ** 33 }]);
      const partitions = [
        { topic, partition: 0 },
        { topic, partition: 1 },
      ];
      assert.deepEqual(await membership.committed(partitions), [{ topic, partition: 1, offset: 2 ** 33 }]);
    });

    it('keeps a text with each committed offset, up to 4,096 bytes of it', async () => {
      const { membership } = await newMember();
      await membership.commit([
        { topic, partition: 0, offset: 3, metadata: 'as of ü' },
        { topic, partition: 1, offset: 4 },
      ]);
      const partitions = [
        { topic, partition: 0 },
        { topic, partition: 1 },
      ];
      assert.deepEqual(await membership.committed(partitions), [
        { topic, partition: 0, offset: 3, metadata: 'as of ü' },
        { topic, partition: 1, offset: 4 },
      ]);
      const long = { topic, partition: 0, offset: 5, metadata: 'x'.repeat(4_097) };
      await assert.rejects(membership.commit([long]), fails('CONFIG_INVALID', '4097 bytes'));
    });

    it('leaves after onRevoked, and the others get what it had; leaving again does nothing', async () => {
      const first = await newMember();
      const second = await newMember();
      await bench.eventually(() => assert.match(last(first) ?? '', /^assigned part \d of 2$/));
      await first.membership.leave();
      await first.membership.leave();
      assert.equal(last(first), 'revoked');
      await bench.eventually(() => assert.equal(last(second), 'assigned part 0 of 1'));
      assert.deepEqual(await bench.broker.admin.groupMembers(groupId), [second.membership.memberId]);
      assert.equal(first.events.filter((event) => event === 'revoked').length, 2);
    });

    it('may commit while it leaves, and no more when it has left: GROUP_FENCED', async () => {
      const member: RecordedMember = await newMember({
        onRevoked: () => member.membership.commit([{ topic, partition: 0, offset: 8 }]),
      });
      await member.membership.leave();
      assert.deepEqual(await bench.broker.admin.groupOffsets(groupId), [{ topic, partition: 0, offset: 8 }]);
      await assert.rejects(
        member.membership.commit([{ topic, partition: 0, offset: 9 }]),
        fails('GROUP_FENCED', groupId),
      );
    });

    it('is put out by one of the same instance id, which gets its place: INSTANCE_FENCED', async () => {
      const lost: Error[] = [];
      const first = await newMember({ instanceId: 'one', onLost: (error) => lost.push(error) });
      const second = await newMember({ instanceId: 'one' });
      await bench.eventually(() => assert.ok(lost[0] && fails('INSTANCE_FENCED', 'instance one')(lost[0])));
      await bench.eventually(() => assert.equal(last(second), 'assigned part 0 of 1'));
      await assert.rejects(first.membership.commit([{ topic, partition: 0, offset: 1 }]), fails('GROUP_FENCED'));
      await second.membership.commit([{ topic, partition: 0, offset: 1 }]);
      assert.deepEqual(await bench.broker.admin.groupMembers(groupId), [second.membership.memberId]);
      await second.membership.leave();
    });

    it('of another group is not disturbed', async () => {
      const first = await newMember();
      const other = await join(bench.broker, unique('group'), [topic]);
      await bench.cluster.pass(20);
      assert.deepEqual(first.events, ['assigned part 0 of 1']);
      assert.deepEqual(other.events, ['assigned part 0 of 1']);
    });

    it('gets a new assignment when a topic of its own is created or deleted, and not for others', async () => {
      const later = unique('later');
      const member = await join(await bench.cluster.open(), groupId, [topic, later]);
      await bench.topic();
      await bench.cluster.pass(20);
      assert.equal(member.events.length, 1);
      await bench.broker.admin.createTopics([{ name: later, partitions: 1 }]);
      await bench.eventually(() =>
        assert.deepEqual(member.events, ['assigned part 0 of 1', 'revoked', 'assigned part 0 of 1']),
      );
      await bench.broker.admin.deleteTopics([later]);
      await bench.eventually(() => assert.equal(member.events.length, 5));
    });

    it('settles with the others when many join and leave at once: each has one place of the last generation', async () => {
      const joined = await Promise.all([newMember(), newMember(), newMember(), newMember(), newMember()]);
      await Promise.all([
        joined[1]?.membership.leave(),
        newMember().then((member) => joined.push(member)),
        joined[3]?.membership.leave(),
      ]);
      const staying = joined.filter((_, i) => i !== 1 && i !== 3);
      await bench.eventually(() => {
        assert.deepEqual(staying.map(last).sort(), [
          'assigned part 0 of 4',
          'assigned part 1 of 4',
          'assigned part 2 of 4',
          'assigned part 3 of 4',
        ]);
        assert.equal(new Set(staying.map((member) => member.membership.generation)).size, 1);
      });
      for (const { events } of joined) {
        // Never two assignments without a revocation in between.
        events.forEach((event, i) => {
          assert.equal(event === 'revoked', i % 2 === 1, events.join(', '));
        });
      }
    });
  });
}
