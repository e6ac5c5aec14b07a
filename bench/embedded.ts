import { join } from 'node:path';
import { openEmbeddedBroker } from '#src/broker/embedded/broker.js';
import type { Broker } from '#src/broker/port.js';
import { Headers } from '#src/model/headers.js';
import { systemClock } from '#src/runtime/config/system.js';
import { openRocksDatabase } from '#src/state/database/rocksdb.js';
import { withDirectory } from './directory.js';

const CHUNK = 10_000;

/** Records of the topic `in`: how many, and the key and value of each. */
export interface Input {
  readonly records: number;
  readonly make: (at: number) => { readonly key: Buffer; readonly value: Buffer };
}

/** Runs something on an embedded broker in a new directory, with a filled topic `in` and an empty one, `out`. */
export async function withEmbedded<T>(
  { records, make }: Input,
  run: (broker: Broker, directory: string) => Promise<T>,
): Promise<T> {
  return withDirectory(async (directory) => {
    const broker = await openEmbeddedBroker({
      directory: join(directory, 'broker'),
      openDatabase: openRocksDatabase,
      clock: systemClock,
    });
    try {
      await broker.admin.createTopics(
        ['in', 'out'].map((name) => ({ name, partitions: 1, config: { 'retention.ms': '-1' } })),
      );
      const writer = await broker.createWriter();
      for (let offset = 0; offset < records; ) {
        const chunk = Array.from({ length: Math.min(CHUNK, records - offset) }, () => {
          const at = offset++;
          return { topic: 'in', partition: 0, ...make(at), timestamp: 1_700_000_000_000 + at, headers: Headers.none };
        });
        await writer.write(chunk);
        await writer.flush();
      }
      await writer.close();
      return await run(broker, directory);
    } finally {
      await broker.close();
    }
  });
}
