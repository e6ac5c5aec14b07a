import assert from 'node:assert/strict';
import { asapScheduler, auditTime, debounceTime, delay, map, merge, mergeMap, share } from 'rxjs';
import {
  count,
  groupBy,
  type StreamRecord,
  serdes,
  type Topology,
  type TopologyBuilder,
  to,
  topology,
  validate,
} from '#src/index.js';
import { TestDriver } from '#src/testing/index.js';
import { failure, feed, json, open } from '../dsl/support.js';

const text = json<string>();

describe('an operator outside a topology function', () => {
  it('is refused with advice', () => {
    let leaked: ReturnType<TopologyBuilder['stream']> | undefined;
    void topology('test', (t) => {
      leaked = t.stream('in', text);
    }).graph;
    const outside = failure('TOPOLOGY_INVALID', /was used outside a topology function/);
    assert.throws(() => leaked?.pipe(count({ store: 's' })), outside);
    assert.throws(() => leaked?.pipe(to('out', text as never)), outside);
    assert.throws(() => leaked?.pipe(groupBy((r) => r.key as string, { key: serdes.string, name: 'x' })), outside);
  });
});

describe('a blueprint that is not deterministic', () => {
  it('is refused when it is run for a task', async () => {
    let runs = 0;
    const target = topology('test', (t) => {
      runs++;
      t.stream('in', text).pipe(count({ store: `counts-${runs}` }));
    });
    assert.deepEqual(validate(target), []);
    await assert.rejects(open(target), failure('TOPOLOGY_NOT_DETERMINISTIC', /counts-2.*counts-1/));
  });
});

describe('what can only be seen while records flow', () => {
  const running = async (target: Topology): Promise<unknown> => {
    const driver = await open(target, { onError: { process: 'skip' } });
    await feed(driver, 'in', [['a', 'x', 1]]);
    // A timer of the machine that is due must fire, and its record be noticed with the next one.
    await new Promise((resolve) => setTimeout(resolve, 5));
    return feed(driver, 'in', [['a', 'y', 2]]);
  };

  it('KEY_CHANGED: a plain operator changed the key before a keyed one, whatever the policy', async () => {
    const target = topology('test', (t) => {
      t.stream('in', text).pipe(
        map((record) => ({ ...record, key: record.value })),
        count({ store: 's' }),
        to('out', json<number>()),
      );
    });
    await assert.rejects(running(target), failure('KEY_CHANGED', /selectKey\(\) or groupBy\(\)/));
  });

  it('a plain operator may change the key before a sink', async () => {
    const target = topology('test', (t) => {
      t.stream('in', text).pipe(
        map((record) => ({ ...record, key: record.value })),
        to('out', text),
      );
    });
    assert.equal(await running(target), undefined);
  });

  it('LATE_EMISSION: delay emitted outside the record it was given', async () => {
    const target = topology('test', (t) => {
      t.stream('in', text).pipe(delay(0), to('out', text));
    });
    await assert.rejects(running(target), failure('LATE_EMISSION', /process\(\) with an async function or a timer/));
  });

  for (const [name, operator] of [
    ['delay', delay<StreamRecord<string, string>>(3_600_000)],
    ['debounceTime', debounceTime<StreamRecord<string, string>>(3_600_000)],
    ['auditTime', auditTime<StreamRecord<string, string>>(3_600_000)],
  ] as const) {
    it(`LATE_EMISSION: ${name} fails on the first record, and nothing of it is committed`, async () => {
      const withOperator = topology('test', (t) => {
        t.stream('in', text).pipe(operator, to('out', text));
      });
      const without = topology('test', (t) => {
        t.stream('in', text).pipe(to('out', text));
      });
      const driver = await TestDriver.create(withOperator);
      await assert.rejects(feed(driver, 'in', [['a', 'x']]), failure('LATE_EMISSION', /put work off to later/));
      await driver.restart(without);
      assert.deepEqual(await driver.output('out', text).values(), ['x']);
      await driver.close();
    });
  }

  it('lets RxJS put work off at all other times', async () => {
    const worked = await new Promise((resolve) => asapScheduler.schedule(() => resolve(true)));
    assert.equal(worked, true);
  });

  it('LATE_EMISSION: a promise in mergeMap emitted outside the record it was given', async () => {
    const target = topology('test', (t) => {
      t.stream('in', text).pipe(
        mergeMap(async (record) => record),
        count({ store: 's' }),
        to('out', json<number>()),
      );
    });
    await assert.rejects(running(target), failure('LATE_EMISSION'));
  });

  it('LATE_EMISSION: that of the last record is noticed at the latest when the engine stops', async () => {
    const target = topology('test', (t) => {
      t.stream('in', text).pipe(
        mergeMap(async (record) => record),
        to('out', text),
      );
    });
    const driver = await TestDriver.create(target);
    await assert.rejects(async () => {
      await feed(driver, 'in', [['a', 'x']]);
      await driver.close();
    }, /LATE_EMISSION|emitted a record later/);
  });

  it('TOPOLOGY_INVALID: a record came by a way that share() had hidden', async () => {
    const target = topology('test', (t) => {
      const shared = t.stream('in', text).pipe(share());
      shared.pipe(to('a', text));
      merge(shared, t.stream('other', text)).pipe(to('b', text));
    });
    await assert.rejects(
      running(target),
      failure('TOPOLOGY_INVALID', /a way that was not there when the topology was drawn/),
    );
  });
});
