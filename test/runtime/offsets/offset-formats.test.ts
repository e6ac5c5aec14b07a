import assert from 'node:assert/strict';
import type { PartitionOffset } from '#src/broker/port.js';
import { retired } from '#src/replay/versions/shadow-status.js';
import { withApplication } from '#src/runtime/config/application-marks.js';
import { firstVersion } from '#src/runtime/config/application-version.js';
import { keptFrom } from '#src/runtime/config/kept-policies.js';
import { resolvePolicies } from '#src/runtime/config/policy.js';
import { marked, type ResetMark } from '#src/runtime/offsets/reset-marks.js';

// What lies in the groups of applications that run: a name that changes here makes them lose it.
describe('the metadata of committed offsets', () => {
  const at: PartitionOffset = { topic: 'in', partition: 0, offset: 7 };

  it('keeps its names for the marks of a reset', () => {
    const mark: ResetMark = {
      ...{ id: 'app-1', until: 9, effects: 'silent', keeps: true },
      ...{ marked: true, unfinished: true, over: true },
    };
    assert.deepEqual(JSON.parse(marked(undefined, mark)), {
      format: 1,
      reset: { id: 'app-1', until: 9, effects: 'silent', keeps: true, marked: true, unfinished: true, over: true },
    });
  });

  it('keeps its names for the version of the application, and for one that was live', () => {
    const version = { n: 2, prefix: 'app-shadow-2' };
    const [live] = withApplication([at], { applicationId: 'app', version, kept: undefined });
    assert.deepEqual(JSON.parse(live?.metadata ?? ''), { format: 1, generation: [2, 'app-shadow-2'] });
    const old = retired(at, version, { id: 'app-promote-1', kind: 'promote' });
    assert.deepEqual(JSON.parse(old.metadata ?? ''), {
      format: 1,
      generation: [2, 'app-shadow-2'],
      retired: { id: 'app-promote-1', kind: 'promote' },
    });
  });

  it('keeps its name and letters for the error policies of the application', () => {
    const policies = resolvePolicies({
      deserialize: { retry: 3, backoff: '1s', then: 'skip' },
      process: 'deadLetter',
    });
    const kept = keptFrom(policies, undefined);
    const [live] = withApplication([at], { applicationId: 'app', version: firstVersion('app'), kept });
    assert.deepEqual(JSON.parse(live?.metadata ?? ''), { format: 1, onError: ['sdf', 1] });
  });
});
