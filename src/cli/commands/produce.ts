import { isStreamsError } from '../../model/errors.js';
import { seededRandom } from '../../model/random.js';
import { loadTopology } from '../load/load-topology.js';
import { type BrokerOptions, brokerUrl, DEFAULT_BROKER, KAFKA_CONFIG, openBrokerOf } from '../options/broker-url.js';
import { percentage, wholeNumber } from '../options/options.js';
import { type RegistrySelection, registryOf, SCHEMA_REGISTRY } from '../options/schema-registry.js';
import { openInput } from '../records/input-file.js';
import { type Sent, sendingText, sendLines, sentText } from '../records/send-lines.js';
import { openTopicSerdes } from '../records/topic-serdes.js';
import { ensureTopic } from '../records/topics.js';
import { type Io, write } from '../terminal/io.js';
import type { Program } from '../terminal/program.js';
import { counted, Rate } from '../terminal/rate.js';
import type { ShownSerdes } from '../terminal/show.js';
import { StatusLine } from '../terminal/status-line.js';
import { Stop } from '../terminal/stop.js';
import { usage } from '../terminal/usage.js';

const DEFAULT_SEED = 1;

interface Options extends BrokerOptions, RegistrySelection {
  readonly topology?: string | undefined;
  readonly registerSchemas?: true | undefined;
  readonly key?: string | undefined;
  readonly timestamp?: string | undefined;
  readonly headers?: string | undefined;
  readonly null?: true | undefined;
  readonly partitions?: number | undefined;
  readonly duplicate?: number | undefined;
  readonly shuffle?: number | undefined;
  readonly seed: number;
}

const EXAMPLES = `
The value of a record is the line, byte for byte; with --topology it is encoded as that topology reads or writes the topic.
The key is the text of a field: a string as it is, null as no key, {"base64": …} as bytes, anything else as JSON. With
--topology the key is encoded by that topology. Lines with equal keys go to the same partition; lines without a key go
to all partitions in turn.

Examples:
  $ millrace produce payments payments.jsonl --key account --timestamp at
  $ generate | millrace produce payments - --key account
  $ millrace produce payments payments.jsonl --key account --duplicate 5% --shuffle 20 --seed 7
  $ echo '{"account":"a-1"}' | millrace produce accounts --key account --null`;

/** `millrace produce TOPIC [FILE]`: writes JSON lines to a topic. */
export function addProduce(program: Program): void {
  program.parent
    .command('produce')
    .description('write JSON lines to a topic, optionally with duplicates and out of order')
    .argument('<topic>', 'the topic; the embedded broker creates it if it is missing')
    .argument('[file]', 'a file with one JSON value per line, or - for standard input', '-')
    .option('--broker <url>', 'the broker of the topic', brokerUrl, DEFAULT_BROKER)
    .option(...KAFKA_CONFIG)
    .option('--topology <file>', 'a topology that reads or writes the topic, and so defines how to encode it')
    .option(...SCHEMA_REGISTRY)
    .option('--register-schemas', 'register the schema of the topic if the schema registry lacks it')
    .option('--key <field>', 'take the key from this field (default: no key)')
    .option(
      '--timestamp <field>',
      'take the time from this field: milliseconds, or text such as 2026-01-31T12:00:00Z; UTC without an offset (default: now)',
    )
    .option('--headers <field>', 'take the headers from this field, an object of texts (default: no headers)')
    .option('--null', 'send no values: each line only gives the key of a row to delete')
    .option(
      '--partitions <number>',
      'create the topic with this many partitions (default: 1)',
      wholeNumber('--partitions', 1),
    )
    .option(
      '--duplicate <share>',
      'send this share of the lines a second time, up to 100 lines later, for example 5%',
      percentage('--duplicate'),
    )
    .option('--shuffle <distance>', 'move lines by up to this many places', wholeNumber('--shuffle', 0))
    .option(
      '--seed <number>',
      'seed for --duplicate and --shuffle: the same seed gives the same result',
      wholeNumber('--seed', 0),
      DEFAULT_SEED,
    )
    .addHelpText('after', EXAMPLES)
    .action((topic, file, options) => program.act((io) => produce(topic, file, options, io)));
}

async function produce(topic: string, file: string, options: Options, io: Io): Promise<number> {
  const stop = new Stop(io);
  const status = new StatusLine(io, (text) => void write(io.stderr, `${text}\n`));
  const input = openInput(file, io, stop.signal);
  if (options.null && options.key === undefined)
    throw usage('cannot use --null', 'no --key', 'the field with the keys');
  const serdes = await serdesFor(topic, options, io);
  const { broker, createsTopics } = await openBrokerOf(options, io);
  let sent: Sent | undefined;
  try {
    const rate = new Rate(io.clock);
    const { duplicate = 0, shuffle = 0, partitions: required } = options;
    const missing = required ?? 1;
    const result = await sendLines({
      broker,
      topic,
      partitions: await ensureTopic(broker.admin, topic, {
        create: createsTopics || required !== undefined,
        missing,
        required,
        onCreated: () => void write(io.stderr, `created the topic ${topic} (${counted(missing, 'partition')})\n`),
      }),
      input: input.bytes,
      at: input.at,
      live: input.size === undefined,
      key: options.key,
      timestamp: options.timestamp,
      headers: options.headers,
      withoutValue: options.null,
      serdes,
      clock: io.clock,
      disorder: { duplicate, shuffle, random: seededRandom(options.seed) },
      signal: stop.signal,
      onProgress: (now) => {
        sent = now;
        status.update(() => {
          rate.sample(now.records);
          return sendingText(topic, now, rate, input.size);
        });
      },
    });
    sent = result;
    return result.complete ? 0 : stop.exitCode;
  } catch (error) {
    // The broker may not have accepted all records that the writer received. After a bad line, the count is
    // certain.
    if (!isStreamsError(error) || error.code !== 'INPUT_INVALID') sent = undefined;
    throw error;
  } finally {
    status.clear();
    await broker.close();
    stop.release();
    if (sent) await write(io.stderr, `${sentText(topic, sent)}\n`);
  }
}

async function serdesFor(topic: string, options: Options, io: Io): Promise<ShownSerdes | undefined> {
  if (options.topology === undefined) return undefined;
  const topology = await loadTopology(options.topology, io.cwd);
  const services = {
    schemaRegistry: registryOf(options, io, options.topology),
    registerSchemas: options.registerSchemas === true,
  };
  const serdes = await openTopicSerdes(topology, topic, 'write', services);
  if (serdes) return serdes;
  throw usage(
    'cannot use --topology',
    `${topology.name}, which neither reads nor writes ${topic}`,
    'a topology that does',
  );
}
