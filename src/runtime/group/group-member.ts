import type { Broker, Membership, MembershipOptions } from '../../broker/port.js';
import { isStreamsError, StreamsError } from '../../model/errors.js';
import { type Clock, type Logger, sleep } from '../../model/ports.js';
import { isPassing, withRetry } from '../config/retry.js';
import { stopped } from '../config/stopped.js';
import { decodeAssignment } from './member-state.js';

export interface GroupMemberOptions
  extends Pick<MembershipOptions, 'groupId' | 'topics' | 'metadata' | 'olderMetadata' | 'assign'> {
  readonly onBusy: (ms: number) => void;
  readonly broker: Broker;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly instanceId: string | undefined;
  readonly sessionMs: number;
  /** Ends all attempts to join. */
  readonly signal: AbortSignal;
  /** The assigned tasks have changed; `membership` is the one to commit them with. */
  readonly onAssigned: () => void;
  /** Called and awaited before the group moves on; it may still commit. */
  readonly onRevoked: () => Promise<void>;
  /**
   * The member has lost its membership: everything must be closed, without a commit. After that, the member
   * joins the group again.
   */
  readonly onLost: () => Promise<void>;
  /** The member cannot join again. */
  readonly onFatal: (error: Error) => void;
}

/** The cause of a lost membership may last a moment. */
const REJOIN_AFTER_MS = 500;

/**
 * The membership of an engine in its group.
 *
 * ```text
 *            joined            membership lost (onLost)
 *  joining ─────────► in ──────────────────────► out ──► joining, after a pause that grows up to ten seconds
 *     └──────► failed ◄──── refused, fenced by its instance id, or an error that does not pass
 * ```
 */
export class GroupMember {
  readonly #options: GroupMemberOptions;
  #membership: Membership | undefined;
  #assigned: readonly string[] = [];
  #rejoining: Promise<void> | undefined;

  private constructor(options: GroupMemberOptions) {
    this.#options = options;
  }

  /**
   * Resolves when the group has assigned its tasks for the first time. TOPOLOGY_MISMATCH if this topology
   * contradicts those that already run.
   */
  static async join(options: GroupMemberOptions, onCreated: (place: GroupMember) => void): Promise<void> {
    const place = new GroupMember(options);
    onCreated(place);
    try {
      await withRetry(`joining the group ${options.groupId}`, options, () => place.#join());
    } catch (error) {
      throw options.signal.aborted ? stopped('the engine was stopped', `group ${options.groupId}`) : error;
    }
  }

  /** Undefined while out of the group. */
  get membership(): Membership | undefined {
    return this.#membership;
  }

  /** The tasks of this process, in this generation of the group. */
  get assigned(): readonly string[] {
    return this.#assigned;
  }

  async leave(): Promise<void> {
    await this.#membership?.leave();
    await this.#rejoining;
  }

  async #join(): Promise<void> {
    const { broker, groupId, topics, metadata, olderMetadata, assign, instanceId, sessionMs, onBusy, signal } =
      this.#options;
    let lost: Error | undefined;
    const membership = await broker.join({
      groupId,
      signal,
      topics,
      metadata,
      assign,
      sessionMs,
      onBusy,
      ...(instanceId !== undefined && { instanceId }),
      ...(olderMetadata && { olderMetadata }),
      onAssigned: async (bytes) => {
        const assignment = decodeAssignment(bytes);
        if ('refused' in assignment) throw this.#refused(assignment.refused);
        this.#assigned = assignment.tasks;
        // At the first assignment, the membership is not set yet.
        if (this.#membership) this.#options.onAssigned();
      },
      onRevoked: this.#options.onRevoked,
      onLost: (error) => {
        lost = error;
        // Until it is set, the call of join fails with the same error.
        if (this.#membership) this.#lose(error);
      },
    });
    if (signal.aborted) {
      await membership.leave();
      throw stopped('the engine was stopped', `group ${groupId}`);
    }
    if (lost) throw lost;
    this.#membership = membership;
    this.#options.onAssigned();
  }

  #lose(error: Error): void {
    this.#membership = undefined;
    this.#assigned = [];
    if (this.#options.signal.aborted) return;
    if (!isPassing(error)) return this.#options.onFatal(error);
    this.#options.logger.warn(
      { group: this.#options.groupId, ...(isStreamsError(error) && { code: error.code }) },
      `out of the group, will join again: ${error.message}`,
    );
    this.#rejoining = this.#rejoin().finally(() => {
      this.#rejoining = undefined;
    });
  }

  async #rejoin(): Promise<void> {
    const { clock, signal, logger, groupId, onFatal, onLost } = this.#options;
    try {
      await onLost();
      await sleep(clock, REJOIN_AFTER_MS, signal);
      if (signal.aborted) return;
      await withRetry(`joining the group ${groupId}`, this.#options, () => this.#join());
      logger.info({ group: groupId, tasks: this.#assigned.length }, 'in the group again');
    } catch (error) {
      if (!signal.aborted) onFatal(error as Error);
    }
  }

  #refused(why: string): StreamsError {
    return new StreamsError('TOPOLOGY_MISMATCH', {
      what: 'this topology contradicts the one that other processes of the application run',
      at: `group ${this.#options.groupId}`,
      saw: why,
      expected: 'the same sub-topologies, or further ones',
      action: 'Stop the other processes first, run the same version, or use another application id.',
    });
  }
}

/** STOPPED if the process is in no group at the moment. */
export function membershipOf(group: GroupMember | undefined, groupId: string): Membership {
  if (group?.membership) return group.membership;
  throw stopped('the process is out of its group', groupId);
}
