import assert from 'node:assert/strict';
import { setImmediate } from 'node:timers/promises';
import type { Connections } from '#src/broker/kafkajs/connection/connections.js';
import { CODE } from '#src/broker/kafkajs/wire/errors.js';
import {
  decodeAssignment,
  decodeSubscription,
  encodeAssignment,
  encodeSubscription,
} from '#src/broker/kafkajs/wire/group-protocol.js';
import type { Request } from '#src/broker/kafkajs/wire/request.js';
import {
  findCoordinatorRequest,
  heartbeatRequest,
  type JoinResult,
  joinGroupRequest,
  leaveGroupRequest,
  syncGroupRequest,
} from '#src/broker/kafkajs/wire/requests-groups.js';
import type { MembershipOptions } from '#src/broker/port.js';
import { fails, unique } from '../../broker/contract.support.js';
import { connect } from '../support/raw-requests.js';
import { describeWithKafka } from '../support/suites.js';
import { newTopic } from '../support/topics.js';

/** A member as the version before format 2 has them: it offers one protocol. */
class OlderMember {
  #memberId = '';
  #generation = -1;

  constructor(
    readonly connections: Connections,
    readonly groupId: string,
    readonly topics: readonly string[],
  ) {}

  async join(): Promise<JoinResult> {
    for (;;) {
      const joined = await this.#ask(
        joinGroupRequest({
          groupId: this.groupId,
          memberId: this.#memberId,
          instanceId: null,
          sessionMs: 10_000,
          rebalanceMs: 60_000,
          protocols: [{ name: 'millrace', metadata: encodeSubscription(this.topics, Buffer.from('older')) }],
        }),
      );
      this.#memberId = joined.memberId;
      this.#generation = joined.generation;
      if (joined.error !== CODE.memberIdRequired) return joined;
    }
  }

  async share(parts: readonly (readonly [string, string])[]): Promise<string> {
    const assignments = parts.map(([id, part]) => [id, encodeAssignment(Buffer.from(part))] as const);
    return decodeAssignment(await this.#ask(syncGroupRequest(this.#named, assignments, 30_000))).toString();
  }

  /** Resolves when somebody else has come or gone. */
  async untilRebalance(): Promise<void> {
    while ((await this.#ask(heartbeatRequest(this.#named))) !== CODE.rebalanceInProgress) await setImmediate();
  }

  leave(): Promise<unknown> {
    return this.#ask(leaveGroupRequest(this.groupId, this.#memberId));
  }

  get #named(): Parameters<typeof heartbeatRequest>[0] {
    return { groupId: this.groupId, memberId: this.#memberId, generation: this.#generation, instanceId: null };
  }

  async #ask<R>(request: Request<R>): Promise<R> {
    const coordinator = await this.connections.askAny(findCoordinatorRequest(this.groupId, 'group'));
    return this.connections.ask(coordinator, request);
  }
}

describeWithKafka('a group with a member of an older version', (kafka) => {
  let older: OlderMember;
  let options: MembershipOptions;
  const told: string[][] = [];
  const assigned: string[] = [];
  beforeEach(async () => {
    const broker = await kafka.open();
    const [groupId, topic] = [unique('group'), await newTopic(broker)];
    older = new OlderMember(await connect(kafka.brokers), groupId, [topic]);
    told.length = assigned.length = 0;
    options = {
      groupId,
      topics: [topic],
      metadata: () => Buffer.from('of now'),
      olderMetadata: () => Buffer.from('as before'),
      assign: async (members) => {
        told.push(members.map(({ metadata }) => metadata.toString()));
        return new Map(members.map(({ memberId }) => [memberId, Buffer.from('shared out anew')]));
      },
      onAssigned: async (assignment) => void assigned.push(assignment.toString()),
      onRevoked: async () => undefined,
      onLost: () => undefined,
    };
    const { members } = await older.join();
    assert.equal(await older.share([[members[0]?.memberId ?? '', 'all']]), 'all');
  });
  afterEach(async () => {
    await older.leave().catch(() => undefined);
    await older.connections.close();
  });

  it('speaks as that does, and as of now when it is gone', async () => {
    const broker = await kafka.open();
    const joining = broker.join(options);
    await older.untilRebalance();
    const { members } = await older.join();
    const said = members.map(({ metadata }) => decodeSubscription(metadata).toString());
    assert.deepEqual(said.toSorted(), ['as before', 'older']);
    await older.share(members.map(({ memberId }) => [memberId, 'half']));
    const member = await joining;
    assert.deepEqual(assigned, ['half']);
    await older.leave();
    while (assigned.length < 2) await setImmediate();
    assert.deepEqual(told, [['of now']]);
    assert.equal(assigned[1], 'shared out anew');
    await member.leave();
  });

  it('refuses a member that has too much to say for the older version, with the reason', async () => {
    const broker = await kafka.open();
    const { olderMetadata: _, ...rest } = options;
    await assert.rejects(broker.join(rest), fails('CONFIG_INVALID', 'an older version with too many tasks'));
    await assert.rejects(
      broker.join({ ...rest, olderMetadata: () => undefined }),
      fails('CONFIG_INVALID', 'an older version with too many tasks'),
    );
  });
});
