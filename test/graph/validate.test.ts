import assert from 'node:assert/strict';
import {
  buffer,
  bufferTime,
  bufferWhen,
  catchError,
  defer,
  EMPTY,
  filter,
  interval,
  map,
  merge,
  mergeAll,
  type OperatorFunction,
  pipe,
  sample,
  sampleTime,
  share,
  startWith,
  takeUntil,
  timeout,
  timer,
  windowTime,
} from 'rxjs';
import {
  aggregate,
  count,
  dedupe,
  type ErrorPolicy,
  groupBy,
  Headers,
  joinTable,
  process,
  reduce,
  reorderByVersion,
  repartition,
  type StreamRecord,
  selectKey,
  serdes,
  type TopologyBuilder,
  to,
  topology,
  toTable,
  validate,
} from '#src/index.js';
import { failure, json } from '../dsl/support.js';

const text = json<string>();

/** The problems of a topology, as lines; each must say what to do. */
function problems(blueprint: (t: TopologyBuilder) => void, name = 'test'): string[] {
  return validate(topology(name, blueprint)).map(({ where, what, advice }) => {
    assert.match(advice, /^[A-Z].*\.$/, `the advice of "${what}" is no sentence: ${advice}`);
    return `${where}: ${what}`;
  });
}

/** Exactly one problem, like that. */
function refuses(blueprint: (t: TopologyBuilder) => void, expected: RegExp): void {
  const found = problems(blueprint);
  assert.equal(found.length, 1, `expected one problem, saw ${JSON.stringify(found)}`);
  assert.match(found[0] as string, expected);
}

describe('validate', () => {
  it('finds nothing wrong with a topology that can run', () => {
    assert.deepEqual(
      problems((t) => t.stream('in', text).pipe(count({ store: 'counts' }), to('out', json<number>()))),
      [],
    );
  });

  it('lists all problems at once, each with advice, and reading the graph throws them all', () => {
    const target = topology('bad name', (t) => {
      const input = t.stream('in', text);
      input.pipe(count({ store: '' }));
      input.pipe(dedupe({ store: 'same', id: (record) => record.value, within: '1d' }));
      input.pipe(count({ store: 'same' }));
      input.pipe(to('out', { key: serdes.string } as never));
    });
    const whats = validate(target).map(({ what }) => what);
    assert.deepEqual(whats, [
      'the store has no name',
      'the store "same" already belongs to dedupe same',
      'it has no value serde',
      'the name is not legal',
    ]);
    assert.throws(
      () => target.graph,
      (error: Error) => {
        failure('TOPOLOGY_INVALID', /4 problems/)(error);
        for (const what of whats) assert.ok(error.message.includes(what), what);
        return true;
      },
    );
  });

  it('refuses a store without a name', () => {
    refuses((t) => t.stream('in', text).pipe(count({} as never)), /count undefined: the store has no name/);
    refuses((t) => t.table('in', text as never), /table undefined: the store has no name/);
  });

  it('refuses two stores of one name', () => {
    refuses(
      (t) =>
        t.table('in', { ...text, store: 'rows' }).pipe(process({ name: 'p', stores: { rows: text }, process() {} })),
      /process p: the store "rows" already belongs to table rows/,
    );
  });

  it('refuses two nodes of one name', () => {
    refuses(
      (t) => merge(t.stream('a', text).pipe(to('out', text)), t.stream('b', text).pipe(to('out', text))),
      /to out: two nodes have this name/,
    );
    refuses((t) => {
      const input = t.stream('in', text);
      input.pipe(groupBy((record) => record.value, { key: serdes.string, name: 'same' }));
      input.pipe(repartition({ key: serdes.string, name: 'same' }));
    }, /repartition same: two nodes have this name/);
  });

  it('refuses a source, a sink or a repartition without a serde', () => {
    refuses((t) => t.stream('in', { key: serdes.string } as never), /source in: it has no value serde/);
    refuses(
      (t) => t.stream('in', text).pipe(to('out', { value: serdes.string } as never)),
      /to out: it has no key serde/,
    );
    refuses(
      (t) => t.stream('in', text).pipe(groupBy((record) => record.key, { name: 'x' } as never)),
      /repartition x: it has no key serde/,
    );
    refuses(
      (t) => t.stream('in', text).pipe(aggregate({ store: 's', initial: () => 0, add: () => 0 } as never)),
      /aggregate s: it has no value serde/,
    );
  });

  it('refuses names that cannot be part of the name of a topic', () => {
    refuses((t) => t.stream('in/../x', text), /the topic "in\/..\/x" is not a legal name/);
    refuses((t) => t.stream('in', text).pipe(to('no spaces', text)), /the topic "no spaces" is not a legal name/);
    refuses(
      (t) => t.stream('in', text).pipe(groupBy((r) => r.key, { key: serdes.string, name: 'é' })),
      /the name "é" is not a legal name/,
    );
    refuses((t) => t.stream('in', text).pipe(count({ store: 'x'.repeat(201) })), /is not a legal name/);
    assert.match(problems((t) => t.stream('in', text), '').join(), /topology : the name is not legal/);
  });

  it('refuses a topic that is declared twice with different serdes', () => {
    refuses((t) => {
      t.stream('in', text);
      t.stream('in', { key: serdes.string, value: serdes.int64 });
    }, /source in: the topic is declared twice with different serdes/);
  });

  it('refuses a topic that is declared twice with different policies only', () => {
    const skip = { retry: 1, backoff: '1s', then: 'skip' } as const;
    const second = (onError: ErrorPolicy) => (t: TopologyBuilder) => {
      t.stream('in', { ...text, onError: skip });
      t.table('in', { ...text, store: 'rows', onError });
    };
    refuses(second('skip'), /source in: the topic is declared twice .* or policies for errors/);
    assert.equal(problems(second({ ...skip })).length, 0);
  });

  it('refuses a sink that chooses its topic and has no name', () => {
    refuses(
      (t) => t.stream('in', text).pipe(to((record) => record.value, text)),
      /a sink that chooses its topic by a function has no name/,
    );
  });

  it('refuses a topology that reads no topic', () => {
    refuses(() => undefined, /topology test: it reads no topic/);
  });

  it('refuses numbers that cannot be', () => {
    refuses(
      (t) => t.stream('in', text).pipe(repartition({ name: 'x', key: serdes.string, partitions: 0 })),
      /partitions is 0/,
    );
    refuses(
      (t) => t.stream('in', text).pipe(reorderByVersion({ store: 'x', version: () => 1, maxBuffered: 0 })),
      /maxBuffered is 0/,
    );
  });

  it('refuses a join with a table that has no store of its own', () => {
    const rows = (t: TopologyBuilder) => t.table('rows', { ...text, store: 'rows' });
    const pair = (a: string, b: string) => a + b;
    const right = /the table on the right has no store/;
    refuses((t) => t.stream('in', text).pipe(joinTable(rows(t).pipe(filter(() => true)), pair)), right);
    refuses(
      (t) =>
        t
          .stream('in', text)
          .pipe(joinTable(rows(t).pipe(groupBy((r) => r.key, { key: serdes.string, name: 'x' })), pair)),
      right,
    );
    refuses(
      (t) =>
        t.table('in', { ...text, store: 'in' }).pipe(
          filter(() => true),
          joinTable(rows(t), pair),
        ),
      /the table on the left has no store/,
    );
  });

  it('refuses a fold over a table that does not say how a row is taken out', () => {
    const noSubtract = /its input is a table, and it has no function to subtract a row/;
    const groups = (t: TopologyBuilder) =>
      t
        .table('in', { ...text, store: 'rows' })
        .pipe(groupBy((record) => record.value, { key: serdes.string, name: 'x' }));
    refuses(
      (t) => groups(t).pipe(aggregate({ store: 's', value: serdes.json<number>(), initial: () => 0, add: () => 0 })),
      noSubtract,
    );
    refuses((t) => groups(t).pipe(reduce({ store: 's', value: serdes.string, add: (a) => a })), noSubtract);
  });

  it('refuses a keyed operator behind a change of key that nothing names', () => {
    refuses((t) => {
      const rows = t.table('rows', { ...text, store: 'rows' });
      t.stream('in', text).pipe(
        selectKey((record) => record.value),
        joinTable(rows, (a, b) => a + b),
      );
    }, /needs a repartition topic, which has no name/);
  });

  it('refuses share(), which hides the way from all but the first consumer', () => {
    refuses((t) => {
      const shared = t.stream('in', text).pipe(share());
      shared.pipe(to('a', text));
      shared.pipe(to('b', text));
    }, /to b: its input does not come from a stream of this topology/);
  });

  it('refuses startWith, once, since there is no record that it would belong to', () => {
    refuses(
      (t) =>
        t
          .stream('in', text)
          .pipe(startWith({ key: 'a', value: 'x', timestamp: 0, headers: Headers.none }), to('out', text)),
      /topology test: an operator emitted a record asynchronously/,
    );
    refuses(
      (t) =>
        t
          .stream('in', text)
          .pipe(
            startWith({ key: 'a', value: 'x', timestamp: 0, headers: Headers.none }),
            toTable({ store: 'rows', value: serdes.string }),
          ),
      /topology test: an operator emitted a record asynchronously/,
    );
  });

  it('refuses a subscription by hand', () => {
    refuses((t) => void t.stream('in', text).subscribe(), /source in: a stream was subscribed to by hand/);
    refuses(
      (t) =>
        void t
          .stream('in', text)
          .pipe(count({ store: 's' }), map(String))
          .subscribe({ error() {} }),
      /count s: a stream was subscribed to by hand/,
    );
  });

  it('lists a blueprint that throws, with what was wrong before', () => {
    const found = problems((t) => {
      t.stream('in', text).pipe(count({ store: '' }));
      throw new Error('not today');
    });
    assert.deepEqual(found, [
      'count : the store has no name',
      'topology test: the topology function threw at topology test: saw not today',
    ]);
  });

  it('refuses an async blueprint, whatever becomes of it', async () => {
    const async = /topology test: the topology function is async at topology test: saw a promise/;
    refuses(async (t) => {
      t.stream('in', text).pipe(to('out', text));
      await null;
      throw new Error('not today');
    }, async);
    refuses(async (t) => {
      await null;
      t.stream('in', text).pipe(to('out', text));
    }, async);
    // What they throw later must not end the process.
    await new Promise((resolve) => setTimeout(resolve, 5));
  });

  it('refuses operators of RxJS that emit later, once, and names the node that they lead to', () => {
    type Operator = OperatorFunction<StreamRecord<string, string>, StreamRecord<string, string>>;
    const never = new Promise<never>(() => undefined);
    const later: Record<string, Operator> = {
      bufferTime: pipe(bufferTime(60_000), mergeAll()),
      windowTime: pipe(windowTime(60_000), mergeAll()),
      sampleTime: sampleTime(60_000),
      timeout: timeout(60_000),
      sample: sample(interval(60_000)),
      buffer: pipe(buffer(interval(60_000)), mergeAll()),
      bufferWhen: pipe(
        bufferWhen(() => timer(60_000)),
        mergeAll(),
      ),
      takeUntil: takeUntil(timer(60_000)),
      promise: (records) =>
        merge(
          records,
          defer(() => never),
        ),
      hidden: pipe(
        bufferTime(60_000),
        mergeAll(),
        catchError(() => EMPTY),
      ),
    };
    for (const [name, operator] of Object.entries(later)) {
      const found = problems((t) => t.stream('in', text).pipe(operator, to('out', text)));
      assert.equal(found.length, 1, `${name}: ${JSON.stringify(found)}`);
      assert.match(found[0] ?? '', /an operator would defer work at node to out: saw an RxJS operator that/, name);
    }
  });

  it('lists an option that cannot be read', () => {
    refuses(
      (t) => t.stream('in', text).pipe(dedupe({ store: 's', id: () => 1, within: '7 days' as never })),
      /cannot read within of dedupe s/,
    );
  });
});
