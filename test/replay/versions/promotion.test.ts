import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import fc from 'fast-check';
import { MemoryBroker } from '#src/broker/memory/broker.js';
import type { Broker } from '#src/broker/port.js';
import { start } from '#src/index.js';
import {
  applyPromotion,
  applyReset,
  type PromotionStep,
  planReset,
  rebuildStore,
  stateAsOf,
} from '#src/replay/index.js';
import { currentVersion } from '#src/runtime/config/application-version.js';
import { systemClock } from '#src/runtime/config/system.js';
import { partitionOf } from '#src/runtime/topics/partitioner.js';
import { isError } from '../../support/errors.js';
import { overlaid } from '../../support/overlaid.js';
import { Versions } from '../versions.js';

const STEPS = ['1 recorded', '2 kept', '3 changed', '4 waits', '5 finished'] as const;

describe('a promotion', () => {
  it('goes on with the stores of the shadow, and repeats no output or call of the live version', async () => {
    const versions = await Versions.begin('aba');
    await versions.shadow('v2');
    await versions.tell('ab');
    await versions.run('v1');
    await versions.change('promote', 'v2');
    await versions.tell('a');
    await versions.run('v2');
    assert.deepEqual(await versions.topic('out'), ['a=v1:1', 'a=v1:2', 'a=v1:3', 'a=v2:4', 'b=v1:1', 'b=v1:2']);
    assert.deepEqual(await versions.topic('groups'), ['g=v1:1', 'g=v1:2', 'g=v1:3', 'g=v1:4', 'g=v1:5', 'g=v2:6']);
    assert.deepEqual(versions.called(), ['a=v1:1', 'a=v1:2', 'a=v1:3', 'a=v2:4', 'b=v1:1', 'b=v1:2']);
    assert.deepEqual(await versions.rows('v2'), { a: 4, b: 2 });
  });

  it('of a shadow that is behind lets new records wait until it has caught up, however slowly it reads', async () => {
    const memory = new MemoryBroker({ clock: systemClock });
    let slow: number | undefined;
    const broker = overlaid<Broker>(memory, {
      createReader: async (options) => {
        const reader = await memory.createReader(options);
        let asked = 0;
        return overlaid(reader, {
          poll: async (wanted) => {
            const isHidden = slow !== undefined && ++asked < 20;
            if (isHidden) reader.pause([{ topic: 'in', partition: slow as number }]);
            const batches = await reader.poll(isHidden ? { ...wanted, maxWaitMs: 1 } : wanted);
            if (isHidden) reader.resume([{ topic: 'in', partition: slow as number }]);
            return batches;
          },
        });
      },
    });
    const versions = await Versions.begin('a', { broker, partitions: 2 });
    await versions.shadow('v2');
    await versions.tell('aaaaaaaa');
    await versions.run('v1');
    await versions.change('promote', 'v2');
    slow = partitionOf(Buffer.from('a'), 2);
    const other = [...'bcdefgh'].find((key) => partitionOf(Buffer.from(key), 2) !== slow) as string;
    await versions.tell(other);
    await versions.run('v2');
    const groups = await versions.topic('groups');
    assert.deepEqual(groups.slice(-1), ['g=v2:10']);
    assert.equal(groups.length, 10);
  });

  it("is silent over restarts while it catches up, also about the shadow's records in repartition topics", async () => {
    const versions = await Versions.begin('ab', { partitions: 2 });
    // The second half of the shadow fails on what the first has sent on.
    await versions.tell('x');
    await versions.run('v1');
    await assert.rejects(versions.shadow('v2', { stuckAt: 'x' }), isError('PROCESS_FAILED', /stuck/));
    await versions.tell('abab');
    await versions.run('v1');
    await versions.change('promote', 'v2');
    for (let n = 0; n < 3; n++) await versions.runBriefly('v2');
    await versions.tell('b');
    await versions.run('v2');
    const out = await versions.topic('out');
    assert.deepEqual(
      out.filter((each) => each.includes('v2')),
      ['b=v2:4'],
    );
    assert.deepEqual(
      (await versions.topic('groups')).filter((each) => each.includes('v2')),
      ['g=v2:8'],
    );
  });

  it('keeps the version that was live: rollback and promotion alternate, and doing one twice adds nothing', async () => {
    const versions = await Versions.begin('aba');
    await versions.shadow('v2');
    await versions.change('promote', 'v2');
    await versions.tell('ab');
    await versions.run('v2');
    await assert.rejects(versions.plan('promote', 'v2'), isError('SHADOW_MISSING', /already done.*millrace rollback/s));
    await versions.change('rollback', 'v1');
    await versions.tell('a');
    await versions.run('v1');
    await assert.rejects(versions.plan('rollback', 'v1'), isError('SHADOW_MISSING', /already done.*millrace promote/s));
    await versions.change('promote', 'v2');
    await versions.tell('b');
    await versions.run('v2');
    const all = ['a=v1:1', 'a=v1:2', 'a=v1:4', 'a=v2:3', 'b=v1:1', 'b=v2:2', 'b=v2:3'];
    assert.deepEqual(await versions.topic('out'), all);
    assert.deepEqual(versions.called(), all);
    assert.deepEqual((await versions.topic('groups')).length, 7);
    assert.deepEqual(await currentVersion(versions.broker.admin, 'shop'), { n: 3, prefix: 'shop-shadow-1' });
  });

  it('writes and calls again with effects live, and captures that with effects capture', async () => {
    for (const effects of ['live', 'capture'] as const) {
      const versions = await Versions.begin('a');
      await versions.shadow('v2');
      await versions.tell('ab');
      await versions.run('v1');
      await versions.change('promote', 'v2', { effects });
      await versions.run('v2');
      const again = ['a=v2:2', 'b=v2:1'];
      const v2 = (records: readonly string[]) => records.filter((each) => each.includes('v2'));
      assert.deepEqual(v2(await versions.topic('out')), effects === 'live' ? again : []);
      assert.deepEqual(v2(versions.called()), effects === 'live' ? again : []);
      if (effects === 'capture') {
        const captured = await versions.topic('shop-captured');
        for (const each of again) assert.ok(captured.includes(each), String(captured));
      }
    }
  });

  it('STATE_MISMATCH: records of live repartition topics would be lost, and not all is written again', async () => {
    const versions = await Versions.begin('ab');
    await versions.shadow('v2');
    await versions.tell('x');
    await assert.rejects(versions.run('v1', { stuckAt: 'x' }), isError('PROCESS_FAILED', /stuck/));
    for (const effects of ['silent', 'live'] as const)
      await assert.rejects(
        versions.plan('promote', 'v2', { effects }),
        isError('STATE_MISMATCH', /shop-by-group-repartition\[0\]@/),
      );
    await versions.run('v1');
    await versions.change('promote', 'v2');
    await versions.tell('ax');
    await assert.rejects(versions.run('v2', { stuckAt: 'x' }), isError('PROCESS_FAILED', /stuck/));
    await assert.rejects(versions.plan('rollback', 'v1'), isError('STATE_MISMATCH', /--effects live/));
    await versions.change('rollback', 'v1', { effects: 'live' });
    await versions.run('v1');
    const groups = (await versions.topic('groups')).filter((each) => each.includes('v1'));
    assert.deepEqual(groups, ['g=v1:1', 'g=v1:2', 'g=v1:3', 'g=v1:4', 'g=v1:5']);
  });

  for (const [kind, from, to] of [
    ['promote', 'v1', 'v2'],
    ['rollback', 'v2', 'v1'],
  ] as const) {
    for (const step of STEPS) {
      it(`(${kind}) interrupted behind step ${step}: one version is whole and live, a second run finishes`, async () => {
        const versions = await Versions.begin('aba');
        await versions.shadow('v2');
        if (kind === 'rollback') await versions.change('promote', 'v2');
        await versions.tell('b');
        await versions.run(from);
        const crash = (at: PromotionStep): void => {
          if (at === step) throw new Error('crashed');
        };
        await assert.rejects(versions.change(kind, to, {}, crash), /crashed/);
        const changed = step >= '3';
        await versions.tell('a');
        await versions.run(changed ? to : from);
        if (step === '3 changed' || step === '4 waits') {
          await assert.rejects(versions.shadow('v2'), isError('PROMOTION_UNFINISHED', new RegExp(`millrace ${kind}`)));
          const other = kind === 'promote' ? 'rollback' : 'promote';
          await assert.rejects(versions.plan(other, 'v1'), isError('PROMOTION_UNFINISHED'));
        }
        if (step !== '5 finished') await versions.change(kind, to);
        await versions.tell('b');
        await versions.run(to);
        const out = (await versions.topic('out')).map((each) => each.replace(/v\d:/, '')).sort();
        assert.deepEqual(out, ['a=1', 'a=2', 'a=3', 'b=1', 'b=2', 'b=3']);
        assert.deepEqual(versions.called(), await versions.topic('out'));
        assert.deepEqual((await versions.topic('groups')).length, 6);
        // And the way back is open.
        await versions.change(kind === 'promote' ? 'rollback' : 'promote', from);
        await versions.tell('a');
        await versions.run(from);
        assert.ok((await versions.topic('out')).includes(`a=${from}:4`));
      });
    }
  }

  it('keeps what it did in a record, and changes nothing before it is applied', async () => {
    const versions = await Versions.begin('ab');
    await versions.shadow('v2');
    const { admin } = versions.broker;
    const before = [await admin.groupOffsets('shop'), await admin.groupOffsets('shop-shadow')];
    const plan = await versions.plan('promote', 'v2');
    assert.deepEqual([await admin.groupOffsets('shop'), await admin.groupOffsets('shop-shadow')], before);
    assert.deepEqual(plan.moves, [{ topic: 'in', partition: 0, live: 2, next: 2, until: 2 }]);
    assert.deepEqual(plan.version, { n: 1, prefix: 'shop-shadow-1' });
    const { broker, stateDirectory } = versions;
    const path = await applyPromotion(plan, { broker, stateDirectory });
    assert.deepEqual(JSON.parse(readFileSync(path, 'utf8')), { format: 1, status: 'done', ...plan });
    await assert.rejects(
      applyPromotion(plan, { broker, stateDirectory }),
      isError('STATE_MISMATCH', /changed since the plan/),
    );
  });

  it('says what it refuses: no shadow, one that is ahead, one that runs, a reset that is unfinished', async () => {
    const versions = await Versions.begin('ab');
    await assert.rejects(versions.plan('promote', 'v2'), isError('SHADOW_MISSING', /run FILE --shadow/));
    await assert.rejects(versions.plan('rollback', 'v1'), isError('SHADOW_MISSING', /no version to go back to/));
    await versions.shadow('v2');
    await assert.rejects(versions.plan('rollback', 'v1'), isError('SHADOW_MISSING', /never live/));
    await versions.tell('a');
    await versions.shadow('v2');
    await assert.rejects(versions.plan('promote', 'v2'), isError('SHADOW_AHEAD', /in\[0\]@2.*in\[0\]: 3, live 2/s));
    const { broker, stateDirectory } = versions;
    const live = await start(versions.target('v1'), { broker, stateDirectory });
    await live.untilIdle();
    await assert.rejects(versions.plan('promote', 'v2'), isError('APPLICATION_RUNNING', /group shop\b/));
    await live.stop();
    const plan = await versions.plan('promote', 'v2');
    await versions.tell('b');
    await versions.run('v1');
    const context = { broker, stateDirectory, clock: systemClock };
    await assert.rejects(applyPromotion(plan, context), isError('STATE_MISMATCH', /changed since the plan/));
    const reset = await planReset(versions.target('v1'), { broker, stateDirectory, to: { kind: 'latest' }, now: 0 });
    const crash = () => Promise.reject(new Error('crashed'));
    const half = applyReset(reset, {
      ...context,
      afterStep: (step) => (step === '2 positions' ? crash() : undefined),
    });
    await assert.rejects(half, /crashed/);
    await assert.rejects(versions.plan('promote', 'v2'), isError('RESET_UNFINISHED', /millrace reset/));
  });

  it('is noticed by a process that had begun before: GENERATION_CHANGED', async () => {
    const versions = await Versions.begin('ab');
    await versions.shadow('v2');
    const { broker, stateDirectory } = versions;
    const late: Broker = {
      admin: broker.admin,
      createReader: (options) => broker.createReader(options),
      createWriter: (options) => broker.createWriter(options),
      join: async (options) => {
        await versions.change('promote', 'v2');
        return broker.join(options);
      },
      close: () => broker.close(),
    };
    await assert.rejects(
      start(versions.target('v1'), { broker: late, stateDirectory }),
      isError('GENERATION_CHANGED', /version 1.*start the process again/is),
    );
  });

  it('stays with its stores: over a reset, a rebuild, a look back, and offsets that somebody else sets', async () => {
    const versions = await Versions.begin('aba');
    await versions.shadow('v2');
    await versions.change('promote', 'v2');
    await versions.run('v2');
    const { broker, stateDirectory } = versions;
    const target = versions.target('v2');
    const rebuilt = await rebuildStore(target, { broker, stateDirectory, store: 'counts', from: 'sources' });
    assert.deepEqual(
      rebuilt.tasks.map(({ equal, added, changed, removed }) => [equal, added, changed, removed]),
      [[2, 0, 0, 0]],
    );
    const past = await stateAsOf(target, { broker, asOf: { kind: 'latest' } });
    assert.equal((await past.stores[0]?.row('a'))?.value, 2);
    await past.close();
    const reset = await planReset(target, { broker, stateDirectory, to: { kind: 'earliest' }, now: 0 });
    assert.deepEqual(reset.stores.changelogs, ['shop-shadow-1-counts-changelog', 'shop-shadow-1-groups-changelog']);
    await applyReset(reset, { broker, stateDirectory, clock: systemClock });
    await versions.tell('b');
    await versions.run('v2');
    assert.deepEqual(await versions.rows('v2'), { a: 2, b: 2 });
    // As `kafka-consumer-groups --reset-offsets` would, to where they are.
    const positions = await broker.admin.groupOffsets('shop');
    await broker.admin.setGroupOffsets(
      'shop',
      positions.map(({ topic, partition, offset }) => ({ topic, partition, offset })),
    );
    await versions.tell('a');
    await versions.run('v2');
    assert.deepEqual(await versions.rows('v2'), { a: 3, b: 2 });
    assert.ok(!(await versions.topics()).includes('shop-shadow-shadow-1-counts-changelog'));
  });

  it('ends when another shadow begins afresh, and only then; nothing of the live version is removed', async () => {
    const versions = await Versions.begin('aba');
    await versions.shadow('v2');
    await versions.change('promote', 'v2');
    await versions.run('v2');
    await assert.rejects(versions.shadow('v3'), isError('CONFIG_INVALID', /--fresh.*rollback/s));
    await versions.shadow('v3', { fresh: true });
    const topics = await versions.topics();
    for (const name of ['shop-shadow-1-counts-changelog', 'shop-shadow-2-counts-changelog', 'out'])
      assert.ok(topics.includes(name), name);
    assert.ok(!topics.includes('shop-counts-changelog'));
    assert.ok(!existsSync(`${versions.stateDirectory}/shop/in-0`));
    await assert.rejects(versions.plan('rollback', 'v1'), isError('SHADOW_MISSING'));
    await versions.tell('a');
    await versions.run('v2');
    await versions.change('promote', 'v3');
    await versions.tell('b');
    await versions.run('v3');
    assert.deepEqual(await versions.topic('out'), ['a=v1:1', 'a=v1:2', 'a=v2:3', 'b=v1:1', 'b=v3:2']);
    assert.deepEqual(versions.called(), await versions.topic('out'));
  });

  it('writes and calls everything once, in whatever order versions run, change places and go back', async () => {
    const action = fc.oneof(
      { weight: 3, arbitrary: fc.string({ unit: fc.constantFrom('a', 'b', 'c'), minLength: 1, maxLength: 4 }) },
      { weight: 6, arbitrary: fc.constantFrom('live', 'briefly', 'shadow', 'fresh', 'promote', 'rollback') },
    );
    await fc.assert(
      fc.asyncProperty(
        fc.array(action, { minLength: 4, maxLength: 14 }),
        fc.constantFrom(1, 2),
        async (actions, partitions) => {
          const versions = await Versions.begin('ab', { partitions });
          let told = 'ab';
          // All versions do the same, so that only who wrote what may differ.
          for (const each of actions) {
            try {
              if (each === 'live') await versions.run('v1');
              else if (each === 'briefly') await versions.runBriefly('v1');
              else if (each === 'shadow' || each === 'fresh') await versions.shadow('v1', { fresh: each === 'fresh' });
              else if (each === 'promote' || each === 'rollback') await versions.change(each, 'v1');
              else {
                await versions.tell(each);
                told += each;
              }
            } catch (error) {
              const { code } = error as { code?: string };
              if (!['SHADOW_AHEAD', 'SHADOW_MISSING', 'CONFIG_INVALID', 'STATE_MISMATCH'].includes(String(code)))
                throw error;
            }
          }
          await versions.run('v1');
          const counts = new Map<string, number>();
          const expected = [...told].map((key) => {
            counts.set(key, (counts.get(key) ?? 0) + 1);
            return `${key}=v1:${counts.get(key)}`;
          });
          assert.deepEqual(await versions.topic('out'), expected.sort());
          assert.deepEqual(versions.called(), expected);
          const groups = [...told].map((_, i) => `g=v1:${i + 1}`).sort();
          assert.deepEqual(await versions.topic('groups'), groups);
          await versions.broker.close();
        },
      ),
      { numRuns: 15 },
    );
  });
});
