import { StreamsError } from '../../model/errors.js';
import { CODE } from './errors.js';

/** Throws INSTANCE_FENCED if another process took the name. */
export function checkInstance(groupId: string, instanceId: string | null, code: number | undefined): void {
  if (code !== CODE.fencedInstanceId) return;
  throw new StreamsError('INSTANCE_FENCED', {
    what: 'the member was put out',
    at: `group ${groupId}, instance ${instanceId}`,
    saw: 'another process that joined with the same instance id',
    expected: 'an instance id of its own for each process',
    action: 'Stop one of the two, or give it another instance id.',
  });
}

/** Throws for what the coordinator refuses however often it is asked. */
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
      saw: 'members of another kind: a consumer of another library uses the same group id',
      expected: 'members of millrace only',
      action: 'Choose another application id, or stop the other consumers.',
    });
  }
}
