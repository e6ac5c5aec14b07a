import { StreamsError } from '../model/errors.js';

/** The error of a member that lost its place to another process with the same instance id. */
export const instanceFenced = (groupId: string, instanceId: string): StreamsError =>
  new StreamsError('INSTANCE_FENCED', {
    what: 'the member was fenced',
    at: `group ${groupId}, instance ${instanceId}`,
    saw: 'another process that joined with the same instance id',
    expected: 'an instance id of its own for each process',
    action: 'Stop one of the two, or give it another instance id.',
  });
