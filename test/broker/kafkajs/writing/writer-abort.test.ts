import assert from 'node:assert/strict';
import { Client } from '#src/broker/kafkajs/connection/client.js';
import type { Connections } from '#src/broker/kafkajs/connection/connections.js';
import { writerSettings } from '#src/broker/kafkajs/login/writer-options.js';
import { BytesReader, BytesWriter } from '#src/broker/kafkajs/wire/bytes.js';
import type { Request } from '#src/broker/kafkajs/wire/request.js';
import { KafkaWriter } from '#src/broker/kafkajs/writing/writer.js';
import { systemClock } from '#src/runtime/config/system.js';
import { record } from '../../contract.support.js';

describe('a writer of Kafka that is closed while it commits', () => {
  it('commits nothing of a transaction whose records it has thrown away', async () => {
    const ended: boolean[] = [];
    let answer: (() => void) | undefined;
    const answers: Readonly<Record<string, (from: BytesReader) => unknown>> = {
      FindCoordinator: () => 1,
      InitProducerId: () => ({ id: 1, epoch: 0 }),
      Metadata: () => ({
        controller: 1,
        topics: [
          {
            name: 'out',
            error: 0,
            internal: false,
            allowed: 0,
            partitions: [0, 1].map((partition) => ({ partition, leader: 1 })),
          },
        ],
      }),
      Produce: () =>
        new Promise((resolve) => {
          const taken = { topic: 'out', partition: 0, error: 0, baseOffset: 0, refused: [], message: null };
          answer = () => resolve([taken]);
        }),
      EndTxn: (from) => {
        from.text();
        from.int64();
        from.int16();
        ended.push(from.bool());
      },
    };
    const ask = async (request: Request<unknown>): Promise<unknown> =>
      answers[request.apiName]?.(new BytesReader(request.write(new BytesWriter(undefined)).written));
    const connections = { ask: (_: number, request: Request<unknown>) => ask(request), askAny: ask };
    const writer = await KafkaWriter.open({
      client: new Client(connections as unknown as Connections, systemClock),
      transactionalId: 'id',
      settings: await writerSettings({ batchBytes: 1_024 }),
      unsentBytes: () => 16 * 1024 * 1024,
      onClose: () => undefined,
    });
    await writer.begin();
    // The first batch is under way, the second waits for its answer.
    await writer.write([record('out', 'sent'), record('out', 'x'.repeat(1_024))]);
    const committing = assert.rejects(writer.commit(), { code: 'TRANSACTION_INVALID' });
    while (!answer) await new Promise((resolve) => setImmediate(resolve));
    const closing = writer.close();
    answer();
    await Promise.all([committing, closing]);
    assert.ok(ended.length > 0);
    assert.ok(!ended.includes(true), 'it was committed');
  });
});
