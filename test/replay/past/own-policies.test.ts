// Promise: a look back follows the own policies of operators as the application does; what is named for a step leads beyond each record.
import assert from 'node:assert/strict';
import type { LocalBroker } from '#src/broker/local/broker.js';
import {
  aggregate,
  type ErrorPolicies,
  type ErrorPolicy,
  effect,
  joinGlobalTable,
  mapValues,
  serdes,
  type Topology,
  to,
  topology,
} from '#src/index.js';
import { history, type PastOptions, parseMoment, replay, stateAsOf, verify } from '#src/replay/index.js';
import { failure, json } from '../../dsl/support.js';
import { Application, createTopics, memoryBroker, writeTopic } from '../../support/application.js';
import { temporaryDirectory } from '../../support/project.js';

interface Policies {
  readonly source?: ErrorPolicy | undefined;
  readonly map?: ErrorPolicy | undefined;
  readonly sum?: ErrorPolicy | undefined;
  readonly sink?: ErrorPolicy | undefined;
}

/** How often the first function was called. */
let calls = 0;

/** Sums. The value 2 fails in a function without a node, 3 in the fold; the sum 15 cannot be written. */
function sums({ source, map, sum, sink }: Policies): Topology {
  const option = (onError: ErrorPolicy | undefined) => (onError === undefined ? {} : { onError });
  const failsOn = (bad: number, n: number): number => {
    if (n === bad) throw new Error(`saw ${n}`);
    return n;
  };
  const written = serdes.json<number>();
  const value = { name: 'picky', encode: (n: number) => written.encode(failsOn(15, n)), decode: written.decode };
  return topology('sums', (t) => {
    t.stream('in', { ...json<number>(), ...option(source) }).pipe(
      mapValues((n) => {
        calls++;
        return failsOn(2, n);
      }, option(map)),
      aggregate({
        store: 'sum',
        value: written,
        initial: () => 0,
        add: (all, { value: n }) => all + failsOn(3, n),
        ...option(sum),
      }),
      to('out', { key: serdes.string, value, ...option(sink) }),
    );
  });
}

const LENIENT: Policies = { source: 'skip', map: 'deadLetter', sum: 'skip', sink: 'deadLetter' };
const VALUES = ['1', 'no JSON', '2', '4', '3', '10', '8'];
const LIVE = ['1', '5', '23'];
const latest = parseMoment('latest');

async function told(options?: { readonly topology: Topology; readonly onError?: ErrorPolicies }): Promise<LocalBroker> {
  const broker = memoryBroker();
  const target = options?.topology ?? sums(LENIENT);
  const app = new Application({ topology: target, broker, options: { onError: options?.onError ?? {} } });
  await app.createTopics({ in: 1, out: 1 });
  await app.write(
    'in',
    VALUES.map((value, i) => ({ key: 'k', value, timestamp: i })),
  );
  if (!options) return broker;
  await app.runThrough();
  await app.stop();
  return broker;
}

async function totalOf(target: Topology, options: PastOptions): Promise<unknown> {
  const state = await stateAsOf(target, { ...options, asOf: latest });
  try {
    for (const store of state.stores) for await (const [, value] of store.entries()) return value;
  } finally {
    await state.close();
  }
  return undefined;
}

const replayed = async (target: Topology, options: PastOptions) => {
  const out: string[] = [];
  const { outputs } = await replay(target, {
    ...options,
    onOutput: (records) => {
      for (const { topic, value } of records) if (topic === 'out') out.push(String(value));
    },
  });
  return { out, letters: outputs['sums-dead-letter'] ?? 0 };
};

describe('looking back, an operator with a policy of its own', () => {
  it('leaves out what it has left out in the application, and the offsets say nothing of it', async () => {
    const target = sums(LENIENT);
    const broker = await told({ topology: target });
    const [offset] = await broker.admin.groupOffsets('sums');
    assert.ok(!offset?.metadata?.includes('onError'));
    const options = { broker, inMemory: true };
    assert.equal(await totalOf(target, options), 23);
    assert.deepEqual(await replayed(target, options), { out: LIVE, letters: 2 });
    assert.deepEqual((await verify(target, options)).differences, []);
    const changes: unknown[] = [];
    for await (const { value } of history(target, { ...options, store: 'sum', key: 'k' })) changes.push(value);
    assert.deepEqual(changes, [1, 5, 15, 23]);
    await broker.close();
  });

  it('does not try again what the application has tried', async () => {
    const target = sums({ ...LENIENT, map: { retry: 4, backoff: '1h', then: 'skip' } });
    calls = 0;
    const broker = await told({ topology: target });
    const once = VALUES.length - 1;
    assert.equal(calls, once + 4);
    calls = 0;
    await replayed(target, { broker, inMemory: true });
    assert.equal(calls, once);
    await broker.close();
  });

  for (const [step, own, code] of [
    ['deserialize', 'source', 'DESERIALIZE_FAILED'],
    ['process', 'map', 'PROCESS_FAILED'],
    ['process', 'sum', 'PROCESS_FAILED'],
    ['produce', 'sink', 'SERIALIZE_FAILED'],
  ] as const) {
    for (const fail of ['fail', { retry: 3, backoff: '1s', then: 'fail' }] satisfies ErrorPolicy[])
      it(`ends at its record under ${JSON.stringify(fail)}, unless ${step} is named: ${own}`, async () => {
        const target = sums({ ...LENIENT, [own]: fail });
        const broker = await told();
        const options = { broker, inMemory: true };
        // What the application keeps for the step is not named: the operator's own policy is stronger.
        await assert.rejects(
          replayed(target, options),
          failure(code, new RegExp(`--on-error ${step}=skip \\(in code: onError: \\{ ${step}: 'skip' \\}\\)`)),
        );
        const letters = own === 'map' || own === 'sink' ? 1 : 2;
        assert.deepEqual(await replayed(target, { ...options, onError: { [step]: 'skip' } }), { out: LIVE, letters });
        const kept = { ...options, onError: { [step]: 'deadLetter' } };
        assert.deepEqual(await replayed(target, kept), { out: LIVE, letters: letters + 1 });
        await assert.rejects(replayed(target, { ...options, onError: { [step]: 'fail' } }), failure(code));
        await broker.close();
      });

    it(`that goes on in the application ends the look back if ${step} is to fail: ${own}`, async () => {
      const target = sums(LENIENT);
      const broker = await told({ topology: target });
      await assert.rejects(
        replayed(target, { broker, inMemory: true, onError: { [step]: 'fail' } }),
        failure(code, /in\[0\]@/),
      );
      await broker.close();
    });
  }

  it('is not overruled by what the application keeps', async () => {
    const broker = await told({
      topology: sums({}),
      onError: { deserialize: 'skip', process: 'skip', produce: 'skip' },
    });
    const options = { broker, inMemory: true };
    assert.equal(await totalOf(sums({}), options), 23);
    await assert.rejects(totalOf(sums({ sum: 'fail' }), options), failure('PROCESS_FAILED', /in\[0\]@4/));
    assert.deepEqual((await replayed(sums({ map: 'deadLetter' }), options)).letters, 1);
    await broker.close();
  });

  it('is not overruled by a configuration, which names policies for all looks', async () => {
    const broker = await told();
    const of = (process: ErrorPolicy): PastOptions => ({ broker, inMemory: true, defaultOnError: { process } });
    assert.deepEqual(await replayed(sums(LENIENT), of('fail')), { out: LIVE, letters: 2 });
    const strict = sums({ ...LENIENT, sum: 'fail' });
    await assert.rejects(replayed(strict, of('skip')), failure('PROCESS_FAILED', /in\[0\]@4/));
    assert.equal(await totalOf(strict, { ...of('fail'), onError: { process: 'skip' } }), 23);
    assert.equal(await totalOf(sums({ ...LENIENT, sum: undefined }), of('skip')), 23);
    await broker.close();
  });

  it('lets snapshots be used, unless they hide a record that ends the look back now', async () => {
    const broker = await told();
    const snapshots = { directory: temporaryDirectory(), version: '1', every: { records: 1 } };
    const target = sums({ ...LENIENT, sum: 'fail' });
    const options = { broker, snapshots };
    assert.equal(await totalOf(target, { ...options, onError: { process: 'skip' } }), 23);
    calls = 0;
    assert.equal(await totalOf(target, { ...options, onError: { process: 'skip' } }), 23);
    assert.ok(calls <= 1, `${calls} calls: the snapshots were not used`);
    await assert.rejects(totalOf(target, options), failure('PROCESS_FAILED', /in\[0\]@4/));
    await assert.rejects(
      totalOf(target, { ...options, onError: { process: 'fail' } }),
      failure('PROCESS_FAILED', /in\[0\]@2/),
    );
    await broker.close();
  });

  it('that is a global table leaves out the rows that it has left out', async () => {
    const target = (onError: ErrorPolicy) =>
      topology('sums', (t) => {
        const all = t.globalTable('in', { ...json<number>(), store: 'all', onError });
        t.stream('orders', json<number>()).pipe(
          joinGlobalTable(all, { key: ({ key }) => key, join: (order, row) => order + row }),
          to('out', json<number>()),
        );
      });
    const broker = await told();
    await createTopics(broker, { orders: 1 });
    await writeTopic(broker, 'orders', [{ key: 'k', value: '100', timestamp: 50 }]);
    const options = { broker, inMemory: true };
    assert.deepEqual((await replayed(target('skip'), options)).out, ['108']);
    await assert.rejects(
      replayed(target('fail'), options),
      failure('DESERIALIZE_FAILED', /--on-error deserialize=skip/),
    );
    assert.deepEqual((await replayed(target('fail'), { ...options, onError: { deserialize: 'skip' } })).out, ['108']);
    await broker.close();
  });

  it('of effect makes no calls, and so has none to fail', async () => {
    const target = topology('sums', (t) => {
      t.stream('in', { ...json<number>(), onError: 'skip' }).pipe(
        effect('call', { inline: true, run: () => Promise.reject(new Error('away')), onError: 'fail' }),
        to('out', json<number>()),
      );
    });
    const broker = await told();
    assert.equal((await replayed(target, { broker, inMemory: true })).out.length, VALUES.length - 1);
    await broker.close();
  });
});
