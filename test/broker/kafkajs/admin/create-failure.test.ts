import assert from 'node:assert/strict';
import { createFailure } from '#src/broker/kafkajs/admin/create-failure.js';
import { CODE } from '#src/broker/kafkajs/wire/errors.js';

const result = (error: number, message: string | null = null) => ({ name: 'totals', error, message });

describe('topics that Kafka does not create', () => {
  it('because its brokers are just starting are BROKER_UNAVAILABLE, which is tried again', () => {
    const message = 'Unable to replicate the partition 3 time(s): All brokers are currently fenced.';
    assert.throws(() => createFailure([result(CODE.invalidReplicationFactor, message), result(CODE.none)]), {
      code: 'BROKER_UNAVAILABLE',
      message: /currently fenced/,
    });
  });

  it('because there are fewer brokers than copies are CONFIG_INVALID', () => {
    const message = 'The target replication factor of 3 cannot be reached because only 1 broker(s) are registered.';
    assert.throws(() => createFailure([result(CODE.invalidReplicationFactor, message)]), {
      code: 'CONFIG_INVALID',
      message: /only 1 broker/,
    });
  });
});
