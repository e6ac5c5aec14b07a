import assert from 'node:assert/strict';
import type { Broker } from '#src/broker/port.js';
import { count } from '#src/dsl/operators/aggregate.js';
import { process } from '#src/dsl/operators/process.js';
import { to } from '#src/dsl/operators/to.js';
import { topology } from '#src/dsl/topology.js';
import type { OpenDatabase } from '#src/model/database.js';
import { sleep } from '#src/model/ports.js';
import { resolveConfig } from '#src/runtime/config/config.js';
import { nextTurn } from '#src/runtime/config/system.js';
import { Engine } from '#src/runtime/engine/engine.js';
import { avro } from '#src/serdes/avro/index.js';
import { MemoryRegistry } from '#src/serdes/registry/memory.js';
import { serdes } from '#src/serdes/serdes.js';
import { TestDriver } from '#src/testing/index.js';
import { ManualClock } from '#src/testing/manual-clock.js';
import { createTopics, memoryBroker, memoryMachine, pumped, writeTopic } from '../../support/application.js';
import { isError } from '../../support/errors.js';
import { overlaid } from '../../support/overlaid.js';

const text = { key: serdes.string, value: serdes.string };
const order = avro<object>(JSON.stringify({ name: 'Order', type: 'record', fields: [] }));
const STOP_MS = 2_000;

/** What can be waited for while an application starts. The n-th time that it is, it does not return. */
type Wait = (place: string) => Promise<void>;

const target = (wait: Wait) =>
  topology('shop', (t) => {
    t.globalTable('names', { store: 'names', ...text });
    const orders = t.stream('orders', { key: serdes.string, value: order });
    orders.pipe(count({ store: 'counts' }));
    orders.pipe(to('copies', { key: serdes.string, value: order }));
    orders.pipe(process({ name: 'look', start: () => wait('process start'), process: () => undefined }));
  });

/** A broker, of which each call may not return. */
function waiting(broker: Broker, wait: Wait): Broker {
  const slow = <T extends object>(name: string, port: T): T =>
    new Proxy(port, {
      get(of, property) {
        const value: unknown = Reflect.get(of, property, of);
        if (typeof value !== 'function') return property === 'admin' ? slow('admin', value as object) : value;
        return (...args: unknown[]) => {
          const result: unknown = Reflect.apply(value, of, args);
          if (!(result instanceof Promise)) return result;
          const place = `${name}.${String(property)}`;
          return result.then(async (made) => {
            await wait(place);
            const isPort = ['createReader', 'createWriter', 'join'].includes(String(property));
            return isPort ? slow(String(property), made as object) : made;
          });
        };
      },
    });
  return slow('broker', broker);
}

describe('a stop while the application starts', () => {
  /** Starts an application which waits at the n-th place without an end; or tells which places there are. */
  async function begun(hang: number | undefined) {
    const clock = new ManualClock();
    const broker = memoryBroker(clock);
    await createTopics(broker, { names: 1, orders: 1, copies: 1 });
    await writeTopic(broker, 'names', [{ key: 'a', value: 'b', timestamp: 1 }]);
    const places: string[] = [];
    const wait: Wait = async (place) => {
      if (places.push(place) - 1 === hang) await new Promise(() => undefined);
    };
    const machine = memoryMachine();
    const openDatabase: OpenDatabase = async (directory) => {
      await wait(`database ${directory}`);
      return machine.openDatabase(directory);
    };
    const schemaRegistry = async () => {
      await wait('registry');
      return new MemoryRegistry();
    };
    const config = resolveConfig('shop', { stopTimeout: `${STOP_MS}ms`, registerSchemas: true });
    let engine: Engine | undefined;
    const ports = { broker: waiting(broker.connect(), wait), clock, ...machine, openDatabase, schemaRegistry };
    const starting = Engine.start(target(wait), config, ports, false, (each) => {
      engine = each;
    });
    starting.catch(() => undefined);
    return { clock, broker, places, starting, engine: engine as unknown as Engine };
  }

  it('ends within the time of a stop, wherever the start does not get on: STOPPED', async () => {
    const whole = await begun(undefined);
    await pumped(whole.clock, whole.starting);
    const { places } = whole;
    await pumped(whole.clock, whole.engine.stop());
    for (const part of [
      'admin.describeTopics',
      'admin.groupOffsets',
      'database',
      'registry',
      'broker.join',
      'process start',
    ])
      assert.ok(
        places.some((place) => place.startsWith(part)),
        `${part} in ${places.join(', ')}`,
      );
    for (let hang = 0; hang <= places.lastIndexOf('process start'); hang++) {
      const { clock, starting, engine, places: seen } = await begun(hang);
      await pumped(clock, sleep(clock, 1_000));
      assert.ok(seen.length > hang);
      const at = clock.now();
      const stopped = assert.rejects(starting, isError('STOPPED'), seen[hang]);
      await pumped(clock, engine.stop());
      await pumped(clock, stopped);
      assert.ok(clock.now() - at <= STOP_MS, `${seen[hang]}: ${clock.now() - at} ms`);
      assert.equal(engine.progress().phase, 'stopped');
    }
  });

  it('begins nothing afterwards, when what it waited for comes', async () => {
    const clock = new ManualClock();
    const broker = memoryBroker(clock);
    await createTopics(broker, { orders: 1 });
    let go: () => void = () => undefined;
    const held = new Promise<void>((resolve) => {
      go = resolve;
    });
    const slow = overlaid(broker.connect(), {
      admin: overlaid(broker.admin, {
        groupOffsets: async (group: string) => {
          await held;
          return broker.admin.groupOffsets(group);
        },
      }),
    });
    const counting = topology('shop', (t) => void t.stream('orders', text).pipe(count({ store: 'counts' })));
    let engine: Engine | undefined;
    const config = resolveConfig('shop', { stopTimeout: `${STOP_MS}ms` });
    const starting = Engine.start(counting, config, { broker: slow, clock, ...memoryMachine() }, false, (each) => {
      engine = each;
    });
    const stopped = assert.rejects(starting, isError('STOPPED'));
    await pumped(clock, (engine as unknown as Engine).stop());
    await pumped(clock, stopped);
    go();
    for (let turn = 0; turn < 50; turn++) await nextTurn();
    assert.deepEqual(
      (await broker.admin.describeTopics()).map(({ name }) => name),
      ['orders'],
    );
    assert.equal((engine as unknown as Engine).progress().phase, 'stopped');
  });
});

describe('close of the test driver', () => {
  it('ends a restart, and a batch, that wait for a call which does not return', async () => {
    let hangs = '';
    const wait = (place: string) => (hangs === place ? new Promise<void>(() => undefined) : undefined);
    const slow = topology('slow', (t) => {
      t.stream('in', text).pipe(
        process({ name: 'call', start: () => wait('start') ?? Promise.resolve(), process: () => wait('process') }),
      );
    });
    const driver = await TestDriver.create(slow);
    await driver.crash();
    hangs = 'start';
    const restarting = assert.rejects(driver.restart(), isError('STOPPED'));
    await nextTurn();
    await driver.close();
    await restarting;
    hangs = '';
    const another = await TestDriver.create(slow);
    hangs = 'process';
    const sending = another.input('in', text).send({ key: 'a', value: 'b' });
    for (let turn = 0; turn < 5; turn++) await nextTurn();
    await another.close();
    await sending;
  });
});
