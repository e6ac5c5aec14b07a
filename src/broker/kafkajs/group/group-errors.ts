import { StreamsError } from '../../../model/errors.js';
import { instanceFenced } from '../../instance-fenced.js';
import { CODE } from '../wire/errors.js';

/** Throws INSTANCE_FENCED if another process joined with the same instance id. */
export function checkInstance(groupId: string, instanceId: string | null, code: number | undefined): void {
  if (code === CODE.fencedInstanceId) throw instanceFenced(groupId, instanceId ?? '');
}

/** Throws for errors of the coordinator that no retry can change. */
export function checkGroup(groupId: string, code: number, sessionMs: number): void {
  if (code === CODE.invalidSessionTimeout) {
    throw new StreamsError('CONFIG_INVALID', {
      what: 'cannot join with this session timeout',
      at: `group ${groupId}`,
      saw: `${sessionMs} ms`,
      expected:
        'what group.min.session.timeout.ms and group.max.session.timeout.ms of the brokers allow (6 s to 30 min by default)',
      action: 'Correct sessionTimeout, or the bounds of the brokers.',
    });
  }
  if (code === CODE.inconsistentGroupProtocol) {
    throw new StreamsError('CONFIG_INVALID', {
      what: 'cannot join the group',
      at: `group ${groupId}`,
      saw: 'members of another kind: consumers of another library, or an older version with too many tasks to share',
      expected: 'members of millrace only, of this version if the application has thousands of tasks',
      action: 'Choose another application id, or stop the other members first.',
    });
  }
}
