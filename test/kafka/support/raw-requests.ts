import { COMPRESSIONS } from '#src/broker/compression/codec.js';
import { Connections } from '#src/broker/kafkajs/connection/connections.js';
import { CalmLog } from '#src/broker/kafkajs/connection/kafkajs-log.js';
import type { Request } from '#src/broker/kafkajs/wire/request.js';
import { fetchRequest } from '#src/broker/kafkajs/wire/requests-records.js';
import { compressionsIn } from '#src/broker/record-batch/decoder.js';
import { silentLogger } from '#src/model/ports.js';
import { systemClock } from '#src/runtime/config/system.js';

/** The one broker of a test cluster. */
const NODE = 1;

export const connect = (brokers: readonly string[]): Promise<Connections> =>
  Connections.open({ brokers, clientId: 'test', log: new CalmLog(silentLogger, systemClock), clock: systemClock });

async function ask<R>(brokers: readonly string[], request: Request<R>): Promise<R> {
  const connections = await connect(brokers);
  try {
    return await connections.ask(NODE, request);
  } finally {
    await connections.close();
  }
}

/** The compressions of the batches that stand at the beginning of partition 0, as the broker keeps them. */
export async function storedCompressions(
  brokers: readonly string[],
  topic: string,
): Promise<readonly (string | undefined)[]> {
  const fetched = await ask(
    brokers,
    fetchRequest({
      positions: [{ topic, partition: 0, offset: 0 }],
      committedOnly: true,
      maxWaitMs: 500,
      maxBytes: 2 ** 20,
      partitionMaxBytes: 2 ** 20,
    }),
  );
  return [...compressionsIn(fetched[0]?.records ?? Buffer.alloc(0))].map((code) => COMPRESSIONS[code]);
}

/** Gives a topic more partitions. */
export const createPartitions = (brokers: readonly string[], topic: string, count: number): Promise<void> =>
  ask(brokers, {
    apiKey: 37,
    apiVersion: 1,
    apiName: 'CreatePartitions',
    write: (to) =>
      to
        .array([topic], (name) =>
          to
            .string(name)
            .int32(count)
            .array(null, () => undefined),
        )
        .int32(10_000)
        .bool(false),
    read: (from) => {
      from.int32();
      from.array(() => {
        from.text();
        answered(from.int16());
        from.string();
      });
    },
  });

function answered(error: number): void {
  if (error !== 0) throw new Error(`the broker answered with code ${error}`);
}
