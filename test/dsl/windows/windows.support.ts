import type { Observable } from 'rxjs';
import { type Stream, type StreamRecord, serdes, type Topology, to, topology, type Windowed } from '#src/index.js';
import type { TestDriver } from '#src/testing/index.js';
import { json } from '../support.js';

const windowedKeys = { key: serdes.windowed(serdes.string), value: serdes.json<any>() };

/** Topic `in`, a fold over windows, topic `out`. */
export function windowedThrough<V = any>(
  build: (input: Stream<string, V>) => Observable<StreamRecord<Windowed<string>, any>>,
): Topology {
  return topology('test', (t) => {
    build(t.stream('in', json<V>())).pipe(to('out', windowedKeys));
  });
}

/** A windowed key in short: `a 0..10`. */
export const shortKey = ({ key, start, end }: Windowed<unknown>): string => `${key} ${start}..${end}`;

/** What came out since the last look: key and window, value, timestamp. */
export async function readWindows(driver: TestDriver, topic = 'out'): Promise<(readonly [string, unknown, number])[]> {
  const records = await driver.output(topic, windowedKeys).read();
  return records.map(({ key, value, timestamp }) => [shortKey(key as Windowed<string>), value, timestamp] as const);
}

/** The rows of a store of windows. */
export const windowRows = async (driver: TestDriver, store: string): Promise<Record<string, unknown>> =>
  Object.fromEntries(
    (await driver.store<Windowed<string>, unknown>(store).entries()).map(([key, value]) => [shortKey(key), value]),
  );
