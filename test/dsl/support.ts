import assert from 'node:assert/strict';
import type { Observable } from 'rxjs';
import {
  type Stream,
  type StreamRecord,
  serdes,
  type Topology,
  type TopologyBuilder,
  to,
  topology,
} from '#src/index.js';
import { type ErrorCode, StreamsError } from '#src/model/errors.js';
import { type InputRecord, TestDriver, type TestDriverOptions } from '#src/testing/index.js';

/** Text keys and JSON values: how almost every topic of these tests is written. */
export const json = <V>() => ({ key: serdes.string, value: serdes.json<V>() });

/** A record in short: key, value, timestamp, partition. */
export type Short<V = unknown> = readonly [key: string | null, value: V | null, timestamp?: number, partition?: number];

const drivers: TestDriver[] = [];

// A root hook: whatever a test opened is closed after it. A driver whose engine failed has nothing left to commit.
afterEach(async () => {
  for (const driver of drivers.splice(0)) await driver.close().catch(() => undefined);
});

export async function open(target: Topology, options: TestDriverOptions = {}): Promise<TestDriver> {
  const driver = await TestDriver.create(target, options);
  drivers.push(driver);
  return driver;
}

const long = <V>([key, value, timestamp = 0, partition]: Short<V>): InputRecord<string, V> => ({
  key,
  value,
  timestamp,
  ...(partition === undefined ? {} : { partition }),
});

/** Feeds records into a topic, all together. */
export async function feed(driver: TestDriver, topic: string, records: readonly Short[]): Promise<void> {
  await driver.input(topic, json<unknown>()).sendAll(records.map(long));
}

/** What came out since the last look: key, value, timestamp. */
export async function read(driver: TestDriver, topic = 'out'): Promise<(readonly [unknown, unknown, number])[]> {
  const records = await driver.output(topic, json<unknown>()).read();
  return records.map(({ key, value, timestamp }) => [key, value, timestamp] as const);
}

/** The same, values only. */
export const values = async (driver: TestDriver, topic = 'out'): Promise<unknown[]> =>
  (await read(driver, topic)).map(([, value]) => value);

/** The rows of a store. */
export const rows = async (driver: TestDriver, store: string): Promise<Record<string, unknown>> =>
  Object.fromEntries(await driver.store<string, unknown>(store).entries());

/** What the dead letters say of themselves. */
export async function deadLetters(
  driver: TestDriver,
): Promise<{ key: unknown; value: unknown; [name: string]: unknown }[]> {
  const records = await driver.deadLetters().read();
  return records.map(({ key, value, headers }) => ({
    key,
    value: value === null ? null : JSON.parse(value),
    code: headers.text('millrace.error.code'),
    message: headers.text('millrace.error.message'),
    operator: headers.text('millrace.operator'),
    from: `${headers.text('millrace.topic')}[${headers.text('millrace.partition')}]@${headers.text('millrace.offset')}`,
  }));
}

/** Topic `in`, what is built on it, topic `out`. */
export function through<V = any>(
  build: (input: Stream<string, V>, t: TopologyBuilder) => Observable<StreamRecord<string, any>>,
): Topology {
  return topology('test', (t) => {
    build(t.stream('in', json<V>()), t).pipe(to('out', json<any>()));
  });
}

/** Feeds one topology all records at once and returns what came out. */
export async function outputOf(
  target: Topology,
  records: readonly Short[],
  options: TestDriverOptions = {},
): Promise<(readonly [unknown, unknown, number])[]> {
  const driver = await open(target, options);
  await feed(driver, 'in', records);
  return read(driver);
}

/** For assert.throws and assert.rejects: a StreamsError of that code. */
export function failure(code: ErrorCode, message: RegExp = /./): (error: unknown) => true {
  return (error) => {
    assert.ok(error instanceof StreamsError, `${String(error)} is no StreamsError`);
    assert.equal(error.code, code, error.message);
    assert.match(error.message, message);
    return true;
  };
}
