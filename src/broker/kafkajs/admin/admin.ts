import type { Admin, PartitionOffset, TopicDescription, TopicPartition, TopicSpec } from '../../port.js';
import { partitionKey } from '../../port.js';
import type { Client } from '../connection/client.js';
import {
  asStreamsError,
  CODE,
  codeOf,
  groupFenced,
  isConnectionError,
  LEADER_MOVED,
  throwUnlessNone,
  unauthorized,
  unknownPartition,
} from '../wire/errors.js';
import { alterConfigsRequest, compactionIn, describeConfigsRequest } from '../wire/requests-configs.js';
import {
  deleteGroupRequest,
  describeGroupRequest,
  offsetCommitRequest,
  offsetFetchRequest,
} from '../wire/requests-groups.js';
import {
  ALLOWED,
  createTopicsRequest,
  deleteTopicsRequest,
  EARLIEST,
  LATEST,
  listOffsetsRequest,
  type TopicResult,
} from '../wire/requests-topics.js';
import { isDenied, topicError } from '../wire/rights.js';
import { createFailure, refused } from './create-failure.js';
import { deleteRecords } from './delete-records.js';

const STOP_MEMBERS = 'Stop its members first.';

/**
 * Topics and offsets of a Kafka cluster. Every call is retried for a minute while leaders and coordinators
 * move or connections break, then fails with BROKER_UNAVAILABLE. Other errors: see {@link Admin}.
 */
export class KafkaAdmin implements Admin {
  readonly #client: Client;

  constructor(client: Client) {
    this.#client = client;
  }

  /**
   * Asks the broker to validate all topics first, because otherwise it would create the valid ones. If
   * another client creates a topic between the two requests, the call fails with TOPIC_EXISTS and the other
   * topics exist. Resolves when every partition has a leader.
   */
  async createTopics(
    topics: readonly TopicSpec[],
    { validateOnly: only = false }: { readonly validateOnly?: boolean } = {},
  ): Promise<void> {
    if (topics.length === 0) return;
    for (const { name, partitions } of topics)
      if (!Number.isInteger(partitions) || partitions < 1 || partitions > 2 ** 31 - 1)
        throw refused([name], `${partitions} partitions`);
    for (const validateOnly of only ? [true] : [true, false]) {
      const results = await this.#client.askController(createTopicsRequest(topics, validateOnly), firstError);
      createFailure(results);
    }
    if (!only) await this.#leadersOf(topics);
  }

  async describeTopics(names?: readonly string[]): Promise<readonly TopicDescription[]> {
    const wanted = names ? [...new Set(names)] : null;
    if (wanted?.length === 0) return [];
    const { topics } = await this.#client.metadata(wanted);
    const hidden = topics.filter(({ error }) => isDenied(error)).map(({ name }) => `Describe on topic ${name}`);
    if (hidden.length > 0) throw unauthorized(hidden, 'cannot describe topics', 'the cluster');
    const found = topics.filter((topic) => topic.error === CODE.none && !topic.internal);
    if (found.length === 0) return [];
    const configs = await this.#client.retrying(
      { what: 'cannot describe topics', at: 'the cluster', retry: isConnectionError },
      () => this.#client.connections.askAny(describeConfigsRequest(found.map(({ name }) => name))),
    );
    const configOf = new Map(configs.map((result) => [result.name, result]));
    return found.flatMap(({ id, name, partitions, allowed }) => {
      const result = configOf.get(name);
      // A principal that may describe a topic does not always have the right to read its configuration.
      const unreadable = result !== undefined && isDenied(result.error);
      // The topic was deleted between the two requests: left out, as if the call had come a moment later.
      if (!unreadable && result?.error !== CODE.none) return [];
      const denied = (['Read', 'Write'] as const).filter((operation) => (allowed & ALLOWED[operation]) === 0);
      const inForce = unreadable ? NOTHING_KNOWN : result.inForce;
      const compaction = compactionIn(inForce);
      const maxMessageBytes = inForce.get('max.message.bytes');
      return {
        name,
        ...(id !== undefined && { id }),
        partitions: partitions.length,
        config: unreadable ? null : result.config,
        ...(compaction && { compaction }),
        ...(maxMessageBytes !== undefined && { maxMessageBytes: Number(maxMessageBytes) }),
        ...(denied.length > 0 && { denied }),
      };
    });
  }

  async configureTopics(topics: readonly Pick<TopicSpec, 'name' | 'config'>[]): Promise<void> {
    if (topics.length === 0) return;
    const results = await this.#client.askController(alterConfigsRequest(topics), firstError);
    const missing = results.filter(({ error }) => error === CODE.unknownTopicOrPartition);
    if (missing.length > 0) throw unknownPartition(missing.map(({ name }) => name).join(', '));
    const invalid = results.filter(({ error }) => error === CODE.invalidConfig);
    if (invalid.length > 0)
      throw refused(
        invalid.map(({ name }) => name),
        invalid.map(({ message, error }) => message ?? `code ${error}`).join('; '),
        'cannot configure topics',
      );
    const denied = results.filter(({ error }) => isDenied(error));
    if (denied.length > 0) {
      const rights = denied.map(
        ({ name, error }) => topicError('IncrementalAlterConfigs', error, name).right as string,
      );
      throw unauthorized([...new Set(rights)], 'cannot configure topics', denied.map(({ name }) => name).join(', '));
    }
    const failed = results.find(({ error }) => error !== CODE.none);
    if (failed)
      throw asStreamsError(
        topicError('IncrementalAlterConfigs', failed.error, failed.name),
        'cannot configure a topic',
        failed.name,
      );
  }

  /** Resolves when the topics have disappeared from the brokers' metadata. */
  async deleteTopics(names: readonly string[]): Promise<void> {
    if (names.length === 0) return;
    const results = await this.#client.askController(deleteTopicsRequest(names), firstError);
    this.#client.forgetTopics(names);
    const missing = results.filter(
      ({ error }) => error === CODE.unknownTopicOrPartition || error === CODE.invalidTopic,
    );
    for (const { name, error } of results) {
      if (error === CODE.none || missing.some((result) => result.name === name)) continue;
      throw asStreamsError(topicError('DeleteTopics', error, name), 'cannot delete topics', name);
    }
    const deleted = results.filter(({ error }) => error === CODE.none).map(({ name }) => name);
    if (deleted.length > 0) await this.#gone(deleted);
    if (missing.length > 0) throw unknownPartition(missing.map(({ name }) => name).join(', '));
  }

  earliestOffsets(partitions: readonly TopicPartition[]): Promise<readonly PartitionOffset[]> {
    return this.#offsets(partitions, EARLIEST);
  }

  /**
   * The last stable offset (it includes transaction markers and stops at an open transaction), or the high
   * watermark.
   */
  latestOffsets(...[partitions, isolation]: Parameters<Admin['latestOffsets']>): Promise<readonly PartitionOffset[]> {
    return this.#offsets(partitions, LATEST, isolation !== 'read_uncommitted');
  }

  async offsetsAt(partitions: readonly TopicPartition[], timestamp: number): Promise<readonly PartitionOffset[]> {
    // In the protocol, negative times mean earliest and latest.
    const found = await this.#offsets(partitions, Math.max(0, Math.ceil(timestamp)));
    const later = found.filter(({ offset }) => offset < 0);
    if (later.length === 0) return found;
    const latest = new Map(
      (await this.latestOffsets(later)).map(({ topic, partition, offset }) => [partitionKey(topic, partition), offset]),
    );
    return found.map((at) => ({ ...at, offset: latest.get(partitionKey(at.topic, at.partition)) ?? at.offset }));
  }

  deleteRecords(before: readonly PartitionOffset[]): Promise<void> {
    return attempt('cannot delete records', 'the cluster', () => deleteRecords(this.#client, before));
  }

  groupOffsets(groupId: string): Promise<readonly PartitionOffset[]> {
    return attempt('cannot read offsets', `group ${groupId}`, () =>
      this.#client.askCoordinator('group', groupId, offsetFetchRequest(groupId, null, false)),
    );
  }

  async setGroupOffsets(groupId: string, offsets: readonly PartitionOffset[]): Promise<void> {
    await this.#checkEmpty(groupId);
    if (offsets.length === 0) return;
    await this.#client.leaders(offsets);
    const request = offsetCommitRequest({ groupId, memberId: '', generation: -1 }, offsets);
    await attempt('cannot set offsets', `group ${groupId}`, () =>
      this.#client.askCoordinator('group', groupId, {
        ...request,
        read: (from) => {
          for (const { error } of request.read(from)) {
            if (error === CODE.unknownMemberId || error === CODE.illegalGeneration)
              throw groupFenced(groupId, 'members', STOP_MEMBERS);
            throwUnlessNone(error);
          }
        },
      }),
    );
  }

  async groupMembers(groupId: string): Promise<readonly string[]> {
    const { members } = await attempt('cannot describe', `group ${groupId}`, () =>
      this.#client.askCoordinator('group', groupId, {
        ...describeGroupRequest(groupId),
        read: (from) => {
          const description = describeGroupRequest(groupId).read(from);
          if (description.error !== CODE.groupIdNotFound) throwUnlessNone(description.error);
          return description;
        },
      }),
    );
    return members;
  }

  async deleteGroup(groupId: string): Promise<void> {
    await attempt('cannot delete', `group ${groupId}`, async () => {
      const request = deleteGroupRequest(groupId);
      await this.#client.askCoordinator('group', groupId, {
        ...request,
        read: (from) => {
          const error = request.read(from);
          if (error === CODE.nonEmptyGroup) throw groupFenced(groupId, 'members', STOP_MEMBERS);
          if (error !== CODE.groupIdNotFound) throwUnlessNone(error);
        },
      });
    });
  }

  async #checkEmpty(groupId: string): Promise<void> {
    const members = await this.groupMembers(groupId);
    if (members.length > 0) throw groupFenced(groupId, `the members ${members.join(', ')}`, STOP_MEMBERS);
  }

  async #offsets(of: readonly TopicPartition[], time: number, stable = true): Promise<readonly PartitionOffset[]> {
    if (of.length === 0) return [];
    const found = new Map<string, number>();
    const retry = (error: unknown): boolean => {
      const again =
        LEADER_MOVED.has(codeOf(error)) || codeOf(error) === CODE.unknownTopicOrPartition || isConnectionError(error);
      if (again) this.#client.forgetTopics(of.map(({ topic }) => topic));
      return again;
    };
    await attempt('cannot read offsets', 'the cluster', () =>
      this.#client.retrying({ what: 'cannot read offsets', at: 'the cluster', retry }, async () => {
        const leaders = await this.#client.leaders(of);
        await Promise.all(
          [...leaders].map(async ([node, group]) => {
            const offsets = await this.#client.connections.ask(node, listOffsetsRequest(group, time, stable));
            for (const { topic, partition, error, offset } of offsets) {
              if (error !== CODE.none) throw topicError('ListOffsets', error, topic);
              found.set(partitionKey(topic, partition), offset);
            }
          }),
        );
      }),
    );
    return of.map(({ topic, partition }) => ({
      topic,
      partition,
      offset: found.get(partitionKey(topic, partition)) ?? -1,
    }));
  }

  async #leadersOf(topics: readonly TopicSpec[]): Promise<void> {
    await this.#client.leaders(
      topics.flatMap(({ name, partitions }) =>
        Array.from({ length: partitions }, (_, partition) => ({ topic: name, partition })),
      ),
    );
  }

  async #gone(names: readonly string[]): Promise<void> {
    await attempt('cannot delete topics', names.join(', '), () =>
      this.#client.retrying(
        {
          what: 'topics are still there',
          at: names.join(', '),
          retry: (error) => codeOf(error) === CODE.topicAlreadyExists,
        },
        async () => {
          const { topics } = await this.#client.metadata(names);
          if (topics.some(({ error }) => error === CODE.none)) throwUnlessNone(CODE.topicAlreadyExists);
        },
      ),
    );
  }
}

const NOTHING_KNOWN: ReadonlyMap<string, string> = new Map();

const firstError = (results: readonly TopicResult[]): number =>
  results.find(({ error }) => error !== CODE.none)?.error ?? 0;

/** A protocol error without a meaning of its own becomes BROKER_UNAVAILABLE. */
async function attempt<T>(what: string, at: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw asStreamsError(error, what, at);
  }
}
