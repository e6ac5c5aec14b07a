import { StreamsError } from '../model/errors.js';

/** What a member is told whose place another process of the same instance id has taken. */
export const instanceFenced = (groupId: string, instanceId: string): StreamsError =>
  new StreamsError('INSTANCE_FENCED', {
    what: 'the member was put out',
    at: `group ${groupId}, instance ${instanceId}`,
    saw: 'another process that joined with the same instance id',
    expected: 'an instance id of its own for each process',
    action: 'Stop one of the two, or give it another instance id.',
  });
