import assert from 'node:assert/strict';
import type { PartitionOffset } from '#src/broker/port.js';
import {
  errorPoliciesOf,
  type KeptPolicies,
  keptFrom,
  keptOver,
  policiesOf,
} from '#src/runtime/config/kept-policies.js';
import { resolvePolicies } from '#src/runtime/config/policy.js';

const offsets = (...texts: readonly unknown[]): readonly PartitionOffset[] =>
  texts.map((onError, partition) => ({
    ...{ topic: 'in', partition, offset: 1 },
    ...(onError !== undefined && { metadata: JSON.stringify({ format: 1, onError }) }),
  }));

const kept = (letters: string, n: number): KeptPolicies => ({ letters, n });

describe('kept error policies', () => {
  it('are numbered by their changes, and nothing is kept of the default', () => {
    const strict = resolvePolicies({});
    const lenient = resolvePolicies({ process: { retry: 1, backoff: '1s', then: 'deadLetter' } });
    assert.equal(keptFrom(strict, undefined), undefined);
    assert.deepEqual(keptFrom(lenient, undefined), kept('fdf', 1));
    assert.deepEqual(keptFrom(lenient, kept('fdf', 7)), kept('fdf', 7));
    assert.deepEqual(keptFrom(strict, kept('fdf', 7)), kept('fff', 8));
    assert.deepEqual(keptFrom(strict, kept('fdf', 999_999_999)), kept('fff', 999_999_999));
  });

  it('of a version that takes over are the latest', () => {
    assert.equal(keptOver(undefined, undefined), undefined);
    assert.deepEqual(keptOver(undefined, kept('sss', 2)), kept('fff', 3));
    assert.deepEqual(keptOver(kept('ddd', 1), kept('sss', 2)), kept('ddd', 3));
    assert.deepEqual(keptOver(kept('sss', 1), kept('sss', 2)), kept('sss', 2));
  });

  it('are read as the highest number, in whatever partition; equal numbers have one order', () => {
    assert.deepEqual(policiesOf(offsets(undefined, ['sss', 2], ['ddd', 1])), kept('sss', 2));
    const equal = [
      ['sff', 1],
      ['dff', 1],
    ];
    assert.deepEqual(policiesOf(offsets(...equal)), policiesOf(offsets(...equal.toReversed())));
    assert.deepEqual(errorPoliciesOf(kept('fsd', 1)), { deserialize: 'fail', process: 'skip', produce: 'deadLetter' });
  });

  it('are none where the text is another', () => {
    for (const text of [null, 1, 'sss', [], ['sss'], ['ssss', 1], ['xss', 1], [['s'], 1], ['sss', 0], ['sss', 1e99]])
      assert.equal(policiesOf(offsets(text)), undefined, JSON.stringify(text));
    assert.equal(policiesOf([{ topic: 'in', partition: 0, offset: 1, metadata: 'by hand' }]), undefined);
    const policies = policiesOf(offsets(['sss', 1e9], ['dff', 3]));
    assert.deepEqual(policies, kept('dff', 3));
  });
});
