import { MemoryBroker } from '#src/broker/memory/broker.js';
import type { Broker, ProducerRecord } from '#src/broker/port.js';
import { type Letter, type ListLettersOptions, listLetters } from '#src/letters/index.js';
import { Headers } from '#src/model/headers.js';
import { letterKey } from '#src/runtime/ledger/ledger-entry.js';
import { ensureLedger } from '#src/runtime/ledger/ledger-topic.js';
import { deadLetter } from '#src/runtime/send/dead-letter.js';
import { ManualClock } from '#src/testing/manual-clock.js';

export const APP = 'payments';
export const TOPIC = 'payments-dead-letter';
export const LEDGER = 'payments-ledger';
export const NOW = Date.UTC(2026, 2, 1);

export const open = (): Broker => new MemoryBroker({ clock: new ManualClock(NOW) });

/** A letter as today's version writes it. */
export function letterRecord(
  options: {
    readonly partition?: number;
    readonly application?: string;
    readonly operator?: string;
    readonly offset?: number;
    readonly key?: string | null;
    readonly value?: string | null;
    readonly timestamp?: number;
    readonly headers?: Readonly<Record<string, string>>;
    readonly error?: unknown;
  } = {},
): ProducerRecord {
  const {
    partition = 0,
    application = APP,
    operator = 'to out',
    offset = 42,
    key = 'k',
    value = '{"amount":5}',
  } = options;
  const record = deadLetter({
    topic: TOPIC,
    applicationId: application,
    operator,
    position: { topic: 'payments', partition: 3, offset },
    key: key === null ? null : Buffer.from(key),
    value: value === null ? null : Buffer.from(value),
    timestamp: options.timestamp ?? NOW,
    headers: Headers.of(options.headers ?? {}),
    error: options.error ?? new Error('no such account'),
    attempt: 4,
  });
  return { ...record, partition };
}

/** A record that somebody else has written. */
export const foreignRecord = (headers: Headers = Headers.none, partition = 0): ProducerRecord => ({
  topic: TOPIC,
  partition,
  key: null,
  value: Buffer.from('what'),
  timestamp: NOW,
  headers,
});

export async function write(broker: Broker, records: readonly ProducerRecord[]): Promise<void> {
  const writer = await broker.createWriter();
  await writer.write(records);
  await writer.flush();
  await writer.close();
}

export async function withLetters(records: readonly ProducerRecord[], partitions = 1): Promise<Broker> {
  const broker = open();
  await broker.admin.createTopics([{ name: TOPIC, partitions, config: { 'retention.ms': '-1' } }]);
  await write(broker, records);
  return broker;
}

/** A record of the ledger, with any content. */
export const ledgerRecordOf = (key: string | null, value: string | null): ProducerRecord => ({
  topic: LEDGER,
  partition: 0,
  key: key === null ? null : Buffer.from(key),
  value: value === null ? null : Buffer.from(value),
  timestamp: NOW,
  headers: Headers.none,
});

/** Writes to the ledger what any version, or anybody, may have written. */
export async function note(broker: Broker, ...records: readonly ProducerRecord[]): Promise<void> {
  await ensureLedger(broker.admin, APP);
  await write(broker, records);
}

export const keyOf = (partition: number, offset: number, topic = TOPIC): string =>
  letterKey({ topic, partition, offset });

export async function all(broker: Broker, options: Partial<ListLettersOptions> = {}): Promise<readonly Letter[]> {
  const letters: Letter[] = [];
  for await (const letter of listLetters({ broker, applicationId: APP, ...options })) letters.push(letter);
  return letters;
}

export const ids = async (broker: Broker, options: Partial<ListLettersOptions> = {}): Promise<readonly string[]> =>
  (await all(broker, options)).map(({ id }) => id);
