import assert from 'node:assert/strict';
import { map } from 'rxjs';
import type { PushScope } from '#src/dsl/contract/processor.js';
import { TracedInput } from '#src/dsl/pipelines/input.js';
import { Origin } from '#src/dsl/pipelines/origin.js';
import { Headers } from '#src/model/headers.js';
import { PlainRecord } from '#src/model/record.js';

describe('an input', () => {
  it('knows each way to it once, however many records have failed', () => {
    const scope: PushScope = { pushing: false, index: 0, key: undefined, from: '', fail: assert.fail };
    const origin = new Origin('source', scope);
    const observable = origin.pipe(
      map(() => {
        throw new Error('no');
      }),
    );
    const input = new TracedInput({ node: 'sink', port: 0, observable, scope, checkKey: false });
    let failed = 0;
    input.connect({ next: () => assert.fail(), error: () => void failed++ });
    for (let i = 0; i < 100; i++) origin.push(new PlainRecord('k', i, i, Headers.none));
    assert.equal(failed, 100);
    assert.equal(input.paths.length, 1);
  });
});
