import assert from 'node:assert/strict';
import { decodeTopic, encodeTopic, topicKey } from '#src/broker/embedded/keys.js';
import { isError } from '../support/errors.js';

describe('a topic as the embedded broker keeps it', () => {
  const topic = {
    topicId: 7,
    id: '1700000000000-7',
    name: 'words',
    partitions: 2,
    config: { 'cleanup.policy': 'compact' },
  };
  const key = topicKey('t', 7);

  it('comes back as it was written', () => {
    assert.deepEqual(decodeTopic(key, encodeTopic(topic)), topic);
  });

  it('has its number for an id where an earlier version has written it', () => {
    const old = Buffer.from(JSON.stringify({ v: 1, name: 'words', partitions: 2, config: topic.config }));
    assert.deepEqual(decodeTopic(key, old), { ...topic, id: 'topic-7' });
  });

  it('LOG_CORRUPT: a version that there is not, or no id', () => {
    for (const written of [{ v: 3, id: 'x' }, { v: 2 }]) {
      const bytes = Buffer.from(JSON.stringify({ ...written, name: 'words', partitions: 2, config: {} }));
      assert.throws(() => decodeTopic(key, bytes), isError('LOG_CORRUPT'));
    }
  });
});
