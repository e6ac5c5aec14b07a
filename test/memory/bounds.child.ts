/**
 * A process that drives something to the bound of what it keeps, and says by how many megabytes it has grown at
 * most: `bounds.child.js CASE [ARGUMENT]`. What has no bound would take some hundred megabytes, or end the process: it
 * has a small heap.
 */
import { Buffer } from 'node:buffer';
import { readFileSync } from 'node:fs';
import { clientCredentials } from '#src/broker/kafkajs/login/oauth.js';
import { readLines } from '#src/cli/records/json-lines.js';
import { aggregate } from '#src/dsl/operators/aggregate.js';
import { topology } from '#src/dsl/topology.js';
import type { DatabaseWrite } from '#src/model/database.js';
import { isStreamsError } from '#src/model/errors.js';
import { Headers } from '#src/model/headers.js';
import { isNotReady } from '#src/model/not-ready.js';
import { Secret } from '#src/model/text/secret.js';
import { systemClock } from '#src/runtime/config/system.js';
import { openBroker } from '#src/runtime/open-broker.js';
import { start } from '#src/runtime/start.js';
import { anyAvro } from '#src/serdes/avro/any.js';
import { unknownId } from '#src/serdes/registry/errors.js';
import { openRegistry } from '#src/serdes/registry/open.js';
import { serdes } from '#src/serdes/serdes.js';
import { CacheBudget } from '#src/state/cache/cache-budget.js';
import { openRocksDatabase } from '#src/state/database/rocksdb.js';
import { CachedStore } from '#src/state/store/cached-store.js';

const MEGABYTE = 1024 * 1024;

/** Whoever answers says whether it was as it should be. */
const CASES: Readonly<Record<string, (argument: string) => Promise<boolean>>> = {
  /** 250 MB of rows, a cache of 8 MB. */
  rows: async (directory) => {
    const database = await openRocksDatabase(directory);
    const budget = new CacheBudget(8 * MEGABYTE);
    const store = new CachedStore({
      spec: { name: 'rows', kind: 'keyValue', key: serdes.string, value: serdes.string },
      storeId: 7,
      database,
      isNew: true,
      budget,
      cause: { topic: 'in', offset: 0, timestamp: 0 },
    });
    await store.open(0);
    for (let round = 0; round < 250; round++) {
      for (let i = 0; i < 1_000; i++) {
        const key = `key-${round}-${i}`;
        await store.load(key);
        store.put(key, String(i).padEnd(1_000), 0);
      }
      const writes: DatabaseWrite[] = [];
      store.drain(writes, []);
      await database.write(writes);
      store.applied();
      store.evict();
    }
    return !budget.exceeded && (await store.load('key-7-42'))?.length === 1_000;
  },

  /** 100 MB in each of four databases. */
  databases: async (directory) => {
    const databases = await Promise.all([1, 2, 3, 4].map((i) => openRocksDatabase(`${directory}/${i}`)));
    for (let round = 0; round < 100; round++) {
      const value = Buffer.alloc(10_000, round);
      const writes = Array.from({ length: 100 }, (_, i) => ({ key: Buffer.from(`key-${round}-${i}`), value }));
      for (const database of databases) await database.write(writes);
    }
    await Promise.all(databases.map((database) => database.close()));
    return true;
  },

  /** 400 MB in the embedded log. */
  log: async (directory) => {
    const broker = await openBroker(`embedded:${directory}`);
    await broker.admin.createTopics([{ name: 'in', partitions: 2 }]);
    const writer = await broker.createWriter();
    const value = Buffer.alloc(100_000, 'x');
    for (let i = 0; i < 4_000; i++) {
      const partition = i % 2;
      await writer.write([{ topic: 'in', partition, timestamp: i, key: null, value, headers: Headers.none }]);
      if (i % 20 === 0) await writer.flush();
    }
    await writer.flush();
    await broker.close();
    return true;
  },

  /** 200 MB of rows, which change in an instant. */
  changed: (directory) => runLarge(directory, 'first', 0),

  /** Restores 200 MB of rows of 100 KB. */
  restore: (directory) => runLarge(directory, 'second', 2_000),

  /** 450 MB of schemas, each asked for by its id. */
  registry: async (url) => {
    const registry = await openRegistry(url, {}, systemClock);
    let characters = 0;
    for (let id = 1; id <= 1_500; id++) characters += (await registry.byId(id)).schema.length;
    return characters > 400_000_000;
  },

  /** A schema that refers to 500 others, of 300 KB each. */
  references: async (url) => {
    const registry = await openRegistry(url, {}, systemClock);
    const value = anyAvro('value', async () => registry);
    return refusal(value.decode, 'SCHEMA_INVALID', 1_000_000);
  },

  /** 300,000 ids that no registry has, as bytes have that are no Avro. */
  ids: async () => {
    const registry = await openRegistry('mock://', {}, systemClock);
    registry.byId = (id) => Promise.reject(unknownId(id, 'the registry'));
    const value = anyAvro('value', async () => registry);
    for (let id = 1; id <= 300_000; id++) if (!(await refusal(value.decode, 'SCHEMA_UNKNOWN', id))) return false;
    return true;
  },

  /** A token endpoint whose answer does not end. */
  token: async (endpoint) => {
    const asked = clientCredentials(systemClock, {
      endpoint,
      clientId: 'c',
      clientSecret: secret,
      scope: undefined,
    });
    return asked.then(
      () => false,
      (error: unknown) => /an answer of more than 1048576 bytes/.test(String(error)),
    );
  },

  /** A file of 2 GB without a line break. */
  line: async () => {
    try {
      for await (const _ of readLines(chunks(2_000, Buffer.alloc(MEGABYTE, 'x')), 'input')) return false;
      return false;
    } catch (error) {
      return isStreamsError(error) && error.code === 'INPUT_INVALID';
    }
  },

  /** A file of 1 GB with many lines. */
  lines: async () => {
    let count = 0;
    for await (const lines of readLines(chunks(4_000, Buffer.from(`${'x'.repeat(255)}\n`.repeat(1_000))), 'input'))
      count += lines.length;
    return count === 4_000_000;
  },
};

const secret = new Secret('s');

/** Sums whose rows are large, although what they are made of is not. */
const large = topology('large', (t) => {
  t.stream('in', { key: serdes.string, value: serdes.string }).pipe(
    aggregate({
      store: 'rows',
      value: serdes.json<{ readonly text: string }>(),
      initial: () => ({ text: '' }),
      add: (_, { value }) => ({ text: value.padEnd(100_000) }),
    }),
  );
});

/** Runs until everything is read; whether so many records were restored. */
async function runLarge(directory: string, state: string, restored: number): Promise<boolean> {
  const broker = await openBroker(`embedded:${directory}/broker`);
  const topics = await broker.admin.describeTopics();
  if (topics.length === 0) {
    await broker.admin.createTopics([{ name: 'in', partitions: 1 }]);
    const writer = await broker.createWriter();
    for (let i = 0; i < 2_000; i++) {
      const [key, value] = [Buffer.from(`k${i}`), Buffer.from(`${i}`)];
      await writer.write([{ topic: 'in', partition: 0, timestamp: i, key, value, headers: Headers.none }]);
    }
    await writer.flush();
    await writer.close();
  }
  // The rows that one batch changes are kept until it is committed.
  const application = await start(large, {
    broker,
    stateDirectory: `${directory}/${state}`,
    cacheBytes: MEGABYTE,
    batchRecords: 20,
  });
  await application.untilIdle();
  const { metrics } = application.progress();
  await application.stop();
  await broker.close();
  return metrics.restoredRecords === restored;
}

/** Whether bytes with that id are refused so. */
async function refusal(decode: (bytes: Buffer) => unknown, code: string, id: number): Promise<boolean> {
  const bytes = Buffer.alloc(8);
  bytes.writeInt32BE(id, 1);
  for (;;) {
    try {
      decode(bytes);
      return false;
    } catch (error) {
      if (!isNotReady(error)) return isStreamsError(error) && error.code === code;
      await error.ready();
    }
  }
}

async function* chunks(count: number, chunk: Buffer): AsyncGenerator<Uint8Array> {
  // As from a file: each is another one.
  for (let i = 0; i < count; i++) yield Buffer.from(chunk);
}

/** The most that there ever was. On Linux what the system tells of a process begins with what its parent had. */
function peakBytes(): number {
  const own =
    process.platform === 'linux' ? /VmHWM:\s*(\d+) kB/.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] : undefined;
  return 1024 * Number(own ?? process.resourceUsage().maxRSS);
}

const [name = '', argument = ''] = process.argv.slice(2);
const before = process.memoryUsage().rss;
const asItShould = await (CASES[name] as (argument: string) => Promise<boolean>)(argument);
const grown = (peakBytes() - before) / MEGABYTE;
process.stdout.write(JSON.stringify({ asItShould, megabytes: Math.round(grown) }));
process.exit();
