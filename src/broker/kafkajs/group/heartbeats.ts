import { sleep } from '../../../model/ports.js';
import type { Client } from '../connection/client.js';
import { asStreamsError, CODE, groupFenced, isRefusal, MEMBER_GONE } from '../wire/errors.js';
import { heartbeatRequest, type NamedMember } from '../wire/requests-groups.js';
import { checkInstance } from './group-errors.js';

/** A member notices a rebalance with its next heartbeat. */
const HEARTBEAT_MS = 500;

export interface HeartbeatOptions {
  readonly client: Client;
  readonly member: NamedMember;
  readonly sessionMs: number;
  /** See {@link MembershipOptions}. */
  readonly onBusy?: ((ms: number) => void) | undefined;
  /** Stops the heartbeats. */
  readonly signal: AbortSignal;
}

/**
 * Sends heartbeats for one generation, whatever else the member does. Resolves at the signal, or after a
 * rebalance has begun; heartbeats continue until the signal. Rejects with GROUP_FENCED if the member was
 * removed or no response came for a whole session, and with INSTANCE_FENCED.
 */
export function heartbeats({ client, member, sessionMs, onBusy, signal }: HeartbeatOptions): Promise<void> {
  const { groupId, instanceId } = member;
  const { clock } = client;
  const request = heartbeatRequest(member);
  /** The response's code; undefined if there was no response. Throws if the member lacks the right to ask. */
  const ask = (): Promise<number | undefined> =>
    client.askCoordinator('group', groupId, request, { patienceMs: 0 }).catch((error: unknown) => {
      const known = asStreamsError(error, 'cannot stay in the group', groupId);
      if (isRefusal(known)) throw known;
      return undefined;
    });
  const everyMs = Math.min(HEARTBEAT_MS, sessionMs / 5);
  /** Returns by how many milliseconds the process was late at the end of a pause. */
  const pause = async (): Promise<number> => {
    const began = clock.monotonic();
    await sleep(clock, everyMs, signal);
    return clock.monotonic() - began - everyMs;
  };
  return new Promise((resolve, reject) => {
    const beat = async (): Promise<void> => {
      let answered = clock.monotonic();
      let pausing = pause();
      while (!signal.aborted) {
        const lateMs = await pausing;
        if (lateMs >= sessionMs / 2) onBusy?.(lateMs);
        if (signal.aborted) break;
        // The next pause begins before the response arrives, because the process may become busy while it
        // waits.
        pausing = pause();
        const code = await ask();
        const now = clock.monotonic();
        if (code === undefined) {
          if (now - answered > sessionMs) throw lost(groupId, 'no answer to heartbeats');
          continue;
        }
        answered = now;
        checkInstance(groupId, instanceId, code);
        if (code === CODE.rebalanceInProgress) resolve();
        else if (MEMBER_GONE.has(code)) throw lost(groupId, 'a member that was removed');
      }
      resolve();
    };
    beat().catch(reject);
  });
}

const lost = (groupId: string, saw: string): Error =>
  groupFenced(groupId, saw, 'Drop what is not committed, and join again.');
