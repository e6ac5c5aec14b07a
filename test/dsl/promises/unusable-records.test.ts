import assert from 'node:assert/strict';
import * as rx from 'rxjs';
import { Headers, process, type StreamRecord, serdes, type Topology, to, topology } from '#src/index.js';
import { AvroCodec } from '#src/serdes/avro/codec/codec.js';
import { avro } from '#src/serdes/avro/index.js';
import { parseSchema } from '#src/serdes/schema/parse.js';
import { deadLetters, failure, json, open, rows, values } from '../support.js';

type In = StreamRecord<string, number>;
const numbers = json<number>();

/** What no record can have as its timestamp; 2^53 − 1 is a number of milliseconds beyond all dates. */
const NO_MOMENTS: readonly unknown[] = [Number.NaN, -5, 1.5, Infinity, 8.64e15 + 1, 2 ** 53 - 1, '7', null, 7n];

type Anything = any;

const inProcess = (use: (record: In, context: Anything) => void, stores: object = {}): Topology =>
  topology('app', (t) => {
    t.stream('in', numbers).pipe(
      process({ name: 'p', stores, process: (record: In, context: Anything) => use(record, context) } as never),
      to('out', numbers),
    );
  });

const PLACES: Readonly<Record<string, (moment: unknown) => Topology>> = {
  'put with a row': (moment) =>
    inProcess(
      (record, { stores, forward }) => {
        stores.seen.put(record.key, record.value, record.value === 2 ? moment : undefined);
        forward(record);
      },
      { seen: numbers },
    ),
  'put with a version': (moment) =>
    inProcess(
      (record, { stores, forward }) => {
        stores.seen.put(record.key, record.value, record.value === 2 ? moment : undefined);
        forward(record);
      },
      { seen: { ...numbers, history: '1d' } },
    ),
  forwarded: (moment) =>
    inProcess((record, { forward }) => forward(record.value === 2 ? { ...record, timestamp: moment } : record)),
  'emitted by a plain operator': (moment) =>
    topology('app', (t) => {
      t.stream('in', numbers).pipe(
        rx.map((record) => (record.value === 2 ? { ...record, timestamp: moment as number } : record)),
        to('out', numbers),
      );
    }),
  'given by the source’s function': (moment) =>
    topology('app', (t) => {
      t.stream('in', { ...numbers, timestamp: (value) => (value === 2 ? (moment as number) : value) }).pipe(
        to('out', numbers),
      );
    }),
};

describe('a timestamp that no record can have', () => {
  for (const [place, make] of Object.entries(PLACES))
    it(`is the failure of its record alone, ${place}, also after a restart`, async () => {
      for (const moment of NO_MOMENTS) {
        if (moment === null && place === 'forwarded') continue;
        const onError = { process: 'deadLetter', deserialize: 'deadLetter' } as const;
        const driver = await open(make(moment), { onError });
        const send = (value: number) => driver.input('in', numbers).send({ key: `k${value}`, value, timestamp: value });
        for (const value of [1, 2, 3]) await send(value);
        await driver.restart();
        await send(4);
        assert.deepEqual(await values(driver), [1, 3, 4], String(moment));
        assert.equal((await deadLetters(driver)).length, 1, String(moment));
        await driver.close();
      }
    });
});

describe('a record without headers', () => {
  const MAKERS: Readonly<Record<string, (headers: unknown) => Topology>> = {
    forwarded: (headers) =>
      inProcess((record, { forward }) => forward(record.value === 2 ? { ...record, headers } : record)),
    'emitted by a plain operator': (headers) =>
      topology('app', (t) => {
        t.stream('in', numbers).pipe(
          rx.map((record) => (record.value === 2 ? { ...record, headers: headers as Headers } : record)),
          to('out', numbers),
        );
      }),
  };
  for (const [place, make] of Object.entries(MAKERS))
    it(`is refused by the policy of process, ${place}`, async () => {
      for (const headers of [null, {}, 'text']) {
        const driver = await open(make(headers), { onError: { process: 'deadLetter' } });
        for (const value of [1, 2, 3]) await driver.input('in', numbers).send({ key: 'k', value, timestamp: value });
        assert.deepEqual(await values(driver), [1, 3]);
        assert.match(JSON.stringify(await deadLetters(driver)), /without (usable )?headers/);
        await driver.close();
      }
    });
});

describe('headers of text', () => {
  it('are refused if UTF-8 cannot write them: two would become one', () => {
    for (const text of ['x\ud83d', '\udc00']) {
      assert.throws(() => Headers.of({ id: text }), failure('SERIALIZE_FAILED', /half of a surrogate pair/));
      assert.throws(() => Headers.none.with(text, 'a'), failure('SERIALIZE_FAILED'));
    }
    assert.equal(Headers.of({ id: '😀' }).text('id'), '😀');
  });
});

describe('the deletion of a row, whose source has a function for timestamps', () => {
  it('keeps the timestamp of the log where the function needs a value, and deletes the row', async () => {
    const target = topology('app', (t) => {
      t.table('rows', {
        key: serdes.string,
        value: serdes.json<{ at: number }>(),
        store: 'rows',
        timestamp: (v) => v.at,
      });
    });
    const driver = await open(target);
    const input = driver.input('rows', json<{ at: number }>());
    await input.send({ key: 'a', value: { at: 5 }, timestamp: 1 });
    await input.send({ key: 'b', value: { at: 6 }, timestamp: 2 });
    await input.send({ key: 'a', value: null, timestamp: 9 });
    assert.deepEqual(await rows(driver, 'rows'), { b: { at: 6 } });
    await driver.close();
  });
});

describe('a look-up that fails and is awaited late', () => {
  it('is caught by the function that awaits it, and ends no process', async () => {
    const unhandled: unknown[] = [];
    const note = (reason: unknown) => void unhandled.push(reason);
    globalThis.process.on('unhandledRejection', note);
    try {
      const target = topology('app', (t) => {
        t.stream('in', numbers).pipe(
          process({
            name: 'p',
            stores: { seen: { key: serdes.int64, value: serdes.json<number>() } },
            reads: () => [],
            async process(record: In, { stores, forward }) {
              const bad = stores.seen.load(0.5);
              await new Promise((resolve) => setImmediate(resolve));
              await bad.catch(() => forward(record));
            },
          }),
          to('out', numbers),
        );
      });
      const driver = await open(target);
      await driver.input('in', numbers).send({ key: 'k', value: 1, timestamp: 1 });
      assert.deepEqual(await values(driver), [1]);
      await driver.close();
      assert.deepEqual(unhandled, []);
    } finally {
      globalThis.process.off('unhandledRejection', note);
    }
  });
});

describe('a field or symbol called as a property of every object, in a writer’s schema', () => {
  const reader = { type: 'record', name: 'R', fields: [{ name: 's', type: 'string' }] };
  const writerOf = (field: object) => ({ ...reader, fields: [...reader.fields, field] });
  const WRITERS = { isWriters: true, hidesInherited: true };

  it('is passed over by a reader that does not have it', () => {
    for (const name of ['constructor', 'toString', 'valueOf']) {
      const codec = new AvroCodec(parseSchema(reader).schema);
      for (const field of [
        { name, type: 'string' },
        { name: 'role', type: { type: 'enum', name: 'Role', symbols: ['driver', name] } },
      ]) {
        const writer = new AvroCodec(parseSchema(writerOf(field), WRITERS).schema);
        const bytes = Buffer.from(field.name === name ? [2, 0x78, 2, 0x79] : [2, 0x78, 2]);
        assert.deepEqual(codec.decode(bytes, 0, codec.resolver(writer)), { s: 'x' });
      }
    }
  });

  it('is refused in a schema of one’s own, where a value would have it', () => {
    assert.throws(
      () => avro(JSON.stringify(writerOf({ name: 'constructor', type: 'string' }))),
      failure('SCHEMA_INVALID'),
    );
  });
});
