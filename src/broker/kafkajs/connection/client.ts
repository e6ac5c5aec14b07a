import type { Clock } from '../../../model/ports.js';
import { sleep } from '../../../model/ports.js';
import type { TopicPartition } from '../../port.js';
import {
  asStreamsError,
  CODE,
  COORDINATOR_MOVED,
  codeOf,
  isConnectionError,
  LEADER_MOVED,
  ProtocolError,
  throwUnlessNone,
  UnknownPartitionError,
  unknownPartition,
} from '../wire/errors.js';
import type { Request } from '../wire/request.js';
import { type CoordinatorType, findCoordinatorRequest } from '../wire/requests-groups.js';
import { type Metadata, metadataRequest, type TopicMetadata } from '../wire/requests-topics.js';
import { isDenied, topicError, withRight } from '../wire/rights.js';
import type { Connections } from './connections.js';
import type { StopDeadline } from './stop-deadline.js';

/**
 * How long a cluster may take to recover before a call fails: a leader or coordinator moves, or a broker
 * restarts.
 */
const PATIENCE_MS = 60_000;
/**
 * How long a topic may be unknown before the call fails: brokers learn of a new topic a little later than the
 * controller.
 */
const UNKNOWN_MS = 1_000;
const FIRST_PAUSE_MS = 5;
const LONGEST_PAUSE_MS = 500;

export interface RetryOptions {
  readonly what: string;
  readonly at: string;
  readonly retry: (error: unknown) => boolean;
  readonly patienceMs?: number;
  /** The broker holds the response back until something happens. */
  readonly waits?: boolean;
}

export interface CoordinatorOptions {
  /** Further errors after which the request is retried. */
  readonly retry?: (error: unknown) => boolean;
  readonly patienceMs?: number;
  readonly waits?: boolean;
  /** Called each time that the coordinator was unreachable or had moved to another broker. */
  readonly onMoved?: () => void;
  /** Default: the client's own. */
  readonly connections?: Connections;
}

/** Partitions by the broker that leads them, and those without a known leader. */
export interface Routes<T> {
  readonly leaders: ReadonlyMap<number, T[]>;
  readonly failed: readonly { readonly partition: T; readonly error: unknown }[];
}

/**
 * Finds leaders and coordinators, and sends requests to them. Shared by admin, writers and members; refreshes
 * its metadata when the cluster changes.
 */
export class Client {
  readonly #topics: Map<string, TopicMetadata>;
  readonly #coordinators: Map<string, Promise<number>>;
  readonly #stopDeadline: StopDeadline | undefined;

  constructor(
    readonly connections: Connections,
    readonly clock: Clock,
    from?: { readonly client: Client; readonly stopDeadline: StopDeadline },
  ) {
    this.#topics = from ? from.client.#topics : new Map();
    this.#coordinators = from ? from.client.#coordinators : new Map();
    this.#stopDeadline = from?.stopDeadline;
  }

  /** The same client, for a caller that may be stopped: see {@link StopDeadline}. */
  withStopDeadline(stopDeadline: StopDeadline | undefined): Client {
    return stopDeadline ? new Client(this.connections, this.clock, { client: this, stopDeadline }) : this;
  }

  /**
   * Whether a call that began at that time and failed with this error may be retried, under the stop
   * deadline.
   */
  mayRetry(error: unknown, begun: number): boolean {
    const foundNobody =
      isConnectionError(error) || LEADER_MOVED.has(codeOf(error)) || COORDINATOR_MOVED.has(codeOf(error));
    return !this.#stopDeadline || !foundNobody || this.#stopDeadline.mayRetry(begun);
  }

  /** Runs a call that is not repeated, under the stop deadline. */
  once<T>(attempt: () => Promise<T>): Promise<T> {
    return this.#stopDeadline ? this.#stopDeadline.attempt(attempt) : attempt();
  }

  /**
   * Retries until the call succeeds, fails with an error that is not retriable, or runs out of time. Pauses
   * double from 5 to 500 ms.
   */
  async retrying<T>(options: RetryOptions, attempt: () => Promise<T>): Promise<T> {
    const begun = this.clock.monotonic();
    const deadline = begun + (options.patienceMs ?? PATIENCE_MS);
    for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(pause * 2, LONGEST_PAUSE_MS)) {
      try {
        return await (options.waits ? attempt() : this.once(attempt));
      } catch (error) {
        const late = this.clock.monotonic() + pause > deadline;
        if (!options.retry(error) || late || !this.mayRetry(error, begun))
          throw error instanceof ProtocolError ? error : asStreamsError(error, options.what, options.at);
      }
      await sleep(this.clock, pause);
    }
  }

  /** The current metadata of these topics (null: of all topics). */
  async metadata(topics: readonly string[] | null): Promise<Metadata> {
    const metadata = await this.retrying(
      { what: 'cannot read metadata', at: 'the cluster', retry: isConnectionError },
      () => this.connections.askAny(metadataRequest(topics)),
    );
    for (const topic of metadata.topics) {
      if (topic.error === CODE.none) this.#topics.set(topic.name, topic);
      else this.#topics.delete(topic.name);
    }
    return metadata;
  }

  forgetTopics(topics: Iterable<string>): void {
    for (const topic of topics) this.#topics.delete(topic);
  }

  /**
   * The leader of each of these partitions: looked up once, then cached until {@link forgetTopics}.
   * TOPIC_UNKNOWN names the first partition that does not exist. Waits while a partition has no leader.
   */
  async leaders<T extends TopicPartition>(partitions: readonly T[]): Promise<ReadonlyMap<number, T[]>> {
    const unknownUntil = this.clock.monotonic() + UNKNOWN_MS;
    return this.retrying(
      {
        what: 'cannot find the leader',
        at: 'the cluster',
        retry: (error) =>
          LEADER_MOVED.has(codeOf(error)) ||
          (codeOf(error) === CODE.unknownTopicOrPartition && this.clock.monotonic() < unknownUntil),
      },
      () => this.#leaders(partitions),
    ).catch((error: unknown) => {
      if (codeOf(error) === CODE.unknownTopicOrPartition) throw unknownPartition((error as Error).message);
      throw asStreamsError(error, 'cannot find the leader', 'the cluster');
    });
  }

  /**
   * Like {@link leaders}, but an unknown partition does not stop the others: it is listed in `failed`. With
   * `waits` false, a partition that currently has no leader is listed there too, instead of being waited for.
   */
  async route<T extends TopicPartition>(partitions: readonly T[], { waits = true } = {}): Promise<Routes<T>> {
    if (!waits) return this.#routeNow(partitions);
    try {
      return { leaders: await this.leaders(partitions), failed: [] };
    } catch (error) {
      const [only, ...others] = partitions;
      if (only && others.length === 0) return { leaders: new Map(), failed: [{ partition: only, error }] };
    }
    const routes = await Promise.all(partitions.map((partition) => this.route([partition])));
    const leaders = new Map<number, T[]>();
    for (const [node, group] of routes.flatMap((route) => [...route.leaders]))
      leaders.set(node, [...(leaders.get(node) ?? []), ...group]);
    return { leaders, failed: routes.flatMap(({ failed }) => failed) };
  }

  async #routeNow<T extends TopicPartition>(partitions: readonly T[]): Promise<Routes<T>> {
    const missing = new Set(partitions.filter((partition) => this.#leader(partition) < 0).map(({ topic }) => topic));
    const refused = new Map<string, unknown>();
    if (missing.size > 0) {
      try {
        for (const { name, error } of (await this.metadata([...missing])).topics)
          if (isDenied(error)) refused.set(name, topicError('Metadata', error, name));
      } catch (error) {
        for (const topic of missing) refused.set(topic, error);
      }
    }
    const leaders = new Map<number, T[]>();
    const failed: { readonly partition: T; readonly error: unknown }[] = [];
    for (const partition of partitions) {
      const { topic } = partition;
      const leader = this.#leader(partition);
      const group = leaders.get(leader);
      if (refused.has(topic)) failed.push({ partition, error: refused.get(topic) });
      else if (leader === NO_PARTITION)
        failed.push({ partition, error: unknownPartition(`${topic}[${partition.partition}]`) });
      else if (leader < 0) failed.push({ partition, error: new ProtocolError(CODE.leaderNotAvailable) });
      else if (group) group.push(partition);
      else leaders.set(leader, [partition]);
    }
    return { leaders, failed };
  }

  async #leaders<T extends TopicPartition>(partitions: readonly T[]): Promise<ReadonlyMap<number, T[]>> {
    const missing = new Set(partitions.filter((partition) => this.#leader(partition) < 0).map(({ topic }) => topic));
    if (missing.size > 0) {
      const { topics } = await this.metadata([...missing]);
      const denied = topics.find(({ error }) => isDenied(error));
      if (denied) throw topicError('Metadata', denied.error, denied.name);
    }
    const leaders = new Map<number, T[]>();
    for (const partition of partitions) {
      const leader = this.#leader(partition);
      if (leader === NO_PARTITION) throw new UnknownPartitionError(partition);
      if (leader < 0) throw new ProtocolError(CODE.leaderNotAvailable);
      const group = leaders.get(leader);
      if (group) group.push(partition);
      else leaders.set(leader, [partition]);
    }
    return leaders;
  }

  #leader({ topic, partition }: TopicPartition): number {
    const found = this.#topics.get(topic)?.partitions.find((candidate) => candidate.partition === partition);
    return found?.leader ?? NO_PARTITION;
  }

  /**
   * Sends a request to the coordinator of a group or transactional id. Retries while the coordinator moves or
   * loads, after a broken connection, or if `retry` returns true. Other errors from the request's `read` are
   * thrown unchanged.
   */
  async askCoordinator<R>(
    type: CoordinatorType,
    key: string,
    request: Request<R>,
    options: CoordinatorOptions = {},
  ): Promise<R> {
    const at = `${type === 'group' ? 'group' : 'transactional id'} ${key}`;
    return this.retrying(
      {
        what: `${request.apiName} failed`,
        at,
        retry: (error) => {
          const moved = COORDINATOR_MOVED.has(codeOf(error)) || isConnectionError(error);
          if (moved) options.onMoved?.();
          return moved || (options.retry?.(error) ?? false);
        },
        ...(options.patienceMs !== undefined && { patienceMs: options.patienceMs }),
        ...(options.waits && { waits: true }),
      },
      async () => {
        const name = `${type} ${key}`;
        let coordinator = this.#coordinators.get(name);
        if (!coordinator) {
          coordinator = this.connections.askAny(findCoordinatorRequest(key, type));
          this.#coordinators.set(name, coordinator);
        }
        try {
          await coordinator;
        } catch (error) {
          this.#coordinators.delete(name);
          // The right to send the request includes the right to find the coordinator: report that right as
          // missing.
          const code = codeOf(error);
          throw code !== undefined && isDenied(code)
            ? withRight(new ProtocolError(code), request.apiName, request.concerned)
            : error;
        }
        try {
          return await (options.connections ?? this.connections).ask(await coordinator, request);
        } catch (error) {
          if (COORDINATOR_MOVED.has(codeOf(error)) || isConnectionError(error)) this.#coordinators.delete(name);
          throw error;
        }
      },
    );
  }

  /** Sends a request to the controller; retries while the controller moves. */
  askController<R>(request: Request<R>, error: (answer: R) => number): Promise<R> {
    return this.retrying(
      {
        what: `${request.apiName} failed`,
        at: 'the controller',
        retry: (failure) => isConnectionError(failure) || codeOf(failure) === CODE.notController,
      },
      async () => {
        const { controller } = await this.metadata([]);
        const answer = await this.connections.ask(controller, request);
        if (error(answer) === CODE.notController) throwUnlessNone(CODE.notController);
        return answer;
      },
    );
  }
}

const NO_PARTITION = -2;
