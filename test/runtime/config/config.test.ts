import assert from 'node:assert/strict';
import type { EffectCall } from '#src/index.js';
import { isStreamsError } from '#src/model/errors.js';
import { type EngineOptions, resolveConfig } from '#src/runtime/config/config.js';

const bad: readonly (readonly [what: string, options: object, message: RegExp])[] = [
  ['an application id that is no topic name', { applicationId: 'a b' }, /option applicationId: saw "a b"/],
  ['an empty application id', { applicationId: '' }, /option applicationId/],
  [
    'an unknown guarantee',
    { guarantee: 'at_most_once' },
    /option guarantee: saw "at_most_once", expected at_least_once or exactly_once/,
  ],
  ['an unknown start', { startFrom: 'newest' }, /option startFrom: saw "newest"/],
  ['a commit interval without a unit', { commitEvery: '100' }, /cannot read commitEvery: saw "100"/],
  ['a commit interval that is a number', { commitEvery: 100 }, /cannot read commitEvery/],
  ['a session without a length', { sessionTimeout: '0s' }, /sessionTimeout is zero: saw "0s", expected at least "1ms"/],
  [
    'no records between two commits',
    { commitRecords: 0 },
    /option commitRecords: saw 0, expected a whole number of at least 1/,
  ],
  ['a fraction of a batch', { batchRecords: 1.5 }, /option batchRecords: saw 1.5/],
  ['a negative cache', { cacheBytes: -1 }, /option cacheBytes: saw -1/],
  ['a cache that is no number', { cacheBytes: Number.NaN }, /option cacheBytes/],
  ['topics to create without partitions', { createTopics: 0 }, /option createTopics: saw 0/],
  ['a step that does not exist', { onError: { serialize: 'skip' } }, /option onError: saw "serialize"/],
  [
    'a policy that does not exist',
    { onError: { process: 'ignore' } },
    /cannot use onError.process: saw "ignore", expected one of fail, skip, deadLetter, or/,
  ],
  [
    'a negative number of retries',
    { onError: { process: { retry: -1, backoff: '1s', then: 'fail' } } },
    /cannot use onError.process/,
  ],
  ['a half retry', { onError: { process: { retry: 0.5, backoff: '1s', then: 'fail' } } }, /cannot use onError.process/],
  ['a retry without an end', { onError: { produce: { retry: 3, backoff: '1s' } } }, /cannot use onError.produce/],
  [
    'a backoff without a unit',
    { onError: { deserialize: { retry: 1, backoff: '5', then: 'skip' } } },
    /cannot read onError.deserialize.backoff: saw "5"/,
  ],
  [
    'a dead letter topic that is no topic name',
    { deadLetterTopic: 'dead letters' },
    /option deadLetterTopic: saw "dead letters"/,
  ],
];

const none = { fromMs: 0, factor: 1, maxMs: 0, jitter: 0 };

describe('the configuration', () => {
  for (const [what, options, message] of bad) {
    it(`refuses ${what} with CONFIG_INVALID`, () => {
      assert.throws(
        () => resolveConfig('app', options as EngineOptions),
        (error) => isStreamsError(error) && error.code === 'CONFIG_INVALID' && message.test(error.message),
      );
    });
  }

  it('has the documented defaults', () => {
    const { logger, effects, ...config } = resolveConfig('app', {});
    assert.equal(effects({} as EffectCall), true);
    const policy = { retries: 0, backoff: none, then: 'fail' };
    assert.deepEqual(config, {
      applicationId: 'app',
      version: { n: 0, prefix: 'app' },
      schemasOf: 'app',
      guarantee: 'exactly_once',
      startFrom: 'earliest',
      commitMs: 100,
      commitRecords: 20_000,
      batchRecords: 1_000,
      instanceId: undefined,
      registerSchemas: false,
      sessionMs: 10_000,
      stopMs: 20_000,
      cacheBytes: 32 * 1024 * 1024,
      inputBufferBytes: 64 * 1024 * 1024,
      policies: { deserialize: policy, process: policy, produce: policy },
      overrides: {},
      kept: undefined,
      looksBack: false,
      deadLetterTopic: 'app-dead-letter',
      createTopics: undefined,
    });
    assert.equal(resolveConfig('app', { guarantee: 'at_least_once' }).commitMs, 1_000);
    logger.info({}, 'silent');
  });

  it('takes a policy with retries', () => {
    const { policies } = resolveConfig('app', {
      onError: { process: { retry: 3, backoff: '1.5s', then: 'deadLetter' }, produce: 'skip' },
    });
    assert.deepEqual(policies.process, {
      retries: 3,
      backoff: { ...none, fromMs: 1_500, maxMs: 1_500 },
      then: 'deadLetter',
    });
    assert.deepEqual(policies.produce, { retries: 0, backoff: none, then: 'skip' });
  });
});
