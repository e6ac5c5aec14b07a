import { resolve } from 'node:path';
import type { Topology } from '../../dsl/contract/processor.js';
import { durationMs } from '../../model/duration.js';
import { isStreamsError } from '../../model/errors.js';
import type { Logger } from '../../model/ports.js';
import { seededRandom } from '../../model/random.js';
import type { ShadowStreams } from '../../replay/index.js';
import { DEFAULT_STOP_TIMEOUT } from '../../runtime/config/config.js';
import { type RunningStreams, type StartOptions, start } from '../../runtime/start.js';
import type { SerdeServices } from '../../serdes/serde.js';
import { checkedTopology } from '../load/checked-topology.js';
import type { OpenedBroker } from '../options/broker-url.js';
import { checkInputFiles, checkInputTopics } from '../options/check-inputs.js';
import { checkShadow } from '../options/check-shadow.js';
import type { InputFile } from '../options/options.js';
import { engineOptionsOf, type RunOptions } from '../options/run-options.js';
import { registryOf } from '../options/schema-registry.js';
import { openInput } from '../records/input-file.js';
import { sendingText, sendLines, sentText } from '../records/send-lines.js';
import { TopicPrinter } from '../records/topic-printer.js';
import { openTopicSerdes } from '../records/topic-serdes.js';
import { ensureTopic } from '../records/topics.js';
import { type Io, write } from '../terminal/io.js';
import { createLogger } from '../terminal/logger.js';
import { Rate } from '../terminal/rate.js';
import { StatusLine } from '../terminal/status-line.js';
import { Stop } from '../terminal/stop.js';
import { failureOf } from './failure-of.js';
import { openWithRetry } from './open-with-retry.js';
import { warnOfUnknown } from './printed-topics.js';
import { showProgress } from './run-progress.js';
import { shadowText } from './shadow-text.js';
import { startingWith } from './starting.js';

/** How long a run that ends by itself waits for a cluster. */
const UNTIL_IDLE_WAIT = '2m';

/**
 * `millrace run`: loads the topology, opens the broker, sends the inputs and runs; however it ends, it then
 * closes everything in reverse order.
 */
export async function runTopology(file: string, options: RunOptions, io: Io): Promise<number> {
  checkShadow(options);
  checkInputFiles(options.input ?? [], io.cwd);
  const stop = new Stop(io);
  let logger: Logger | undefined;
  const status = new StatusLine(io, (text, fields) => logger?.info(fields, text));
  logger = createLogger(io, { verbose: options.verbose, status });
  const limit = options.stopTimeout ?? DEFAULT_STOP_TIMEOUT;
  try {
    const code = await stop.within(
      loadAndRun(file, { options, io, stop, status, logger }),
      io.clock,
      durationMs(limit),
    );
    if (code !== undefined) return code;
    logger.warn(
      {},
      `ended at once: what was under way did not end within ${limit}, and is done again at the next start`,
    );
    return options.untilIdle ? stop.exitCode : 0;
  } finally {
    status.clear();
    stop.release();
  }
}

type Loading = Pick<RunContext, 'options' | 'io' | 'stop' | 'status' | 'logger'>;

async function loadAndRun(file: string, loading: Loading): Promise<number> {
  const { options, io, stop } = loading;
  const topology = await checkedTopology(file, { cwd: io.cwd, check: options.check, signal: stop.signal });
  checkInputTopics(topology, options.input ?? []);
  loading.logger.info(startingWith(topology, options, io), 'starting');
  const wait = options.wait ?? (options.untilIdle ? UNTIL_IDLE_WAIT : undefined);
  const opened = await openWithRetry({ ...options, wait }, loading);
  if (opened === undefined) return options.untilIdle ? stop.exitCode : 0;
  try {
    const services = {
      schemaRegistry: registryOf(options, io, file),
      registerSchemas: options.registerSchemas === true,
    };
    return await new Run({ ...loading, topology, opened, services }).run();
  } finally {
    await opened.broker.close();
  }
}

interface RunContext {
  readonly topology: Topology;
  readonly opened: OpenedBroker;
  readonly options: RunOptions;
  readonly services: SerdeServices;
  readonly io: Io;
  readonly stop: Stop;
  readonly status: StatusLine;
  readonly logger: Logger;
}

/** One run of a topology on an open broker. */
class Run {
  readonly #context: RunContext;
  /** True if an input was not read to its end. */
  #cutShort = false;
  /** With --until-idle: the end was reached. */
  #idle = false;
  /** With --shadow: compares its outputs with those of the live application. */
  #compare: ShadowStreams['compare'] | undefined;
  #differs = false;
  #printers: readonly TopicPrinter[] = [];

  constructor(context: RunContext) {
    this.#context = context;
  }

  async run(): Promise<number> {
    const { topology, options, stop, logger } = this.#context;
    const printers = await this.#openPrinters();
    this.#printers = printers;
    const missing = printers.flatMap((printer) => printer.missing ?? []);
    warnOfUnknown(missing, { topology, applicationId: options.app ?? topology.name, logger });
    const printing = Promise.all(printers.map((printer) => printer.run()));
    // Awaited later; until then a failure must not count as unhandled.
    printing.catch(() => undefined);
    try {
      const inputs = options.input ?? [];
      const early = inputs.filter((input) => !this.#isLate(input));
      for (const input of early) await this.#feed(input);
      const late = inputs.filter((input) => this.#isLate(input));
      if (!stop.requested) await this.#runEngine(late, failureOf(printing));
    } finally {
      for (const printer of printers) printer.end();
      await printing;
    }
    const unfinished = this.#cutShort || (options.untilIdle === true && !this.#idle);
    if (unfinished) return stop.exitCode;
    return options.untilIdle && this.#differs ? 1 : 0;
  }

  /** Runs until the work is done, a signal comes, or something fails. */
  async #runEngine(inputs: readonly InputFile[], failed: Promise<never>): Promise<void> {
    const { options, io, stop, status, logger } = this.#context;
    let streams: RunningStreams | undefined;
    const endProgress = showProgress(() => streams?.progress(), { clock: io.clock, status });
    try {
      streams = await this.#start((starting) => {
        streams = starting;
      });
      if (!streams) return;
      for (const printer of this.#printers) printer.look();
      const work = this.#work(streams, inputs);
      await Promise.race([work, streams.done, failed, stop.requestedOnce()]);
      // A signal also ends an input that is being read.
      if (!options.untilIdle) await Promise.race([work, streams.done, failed]);
    } finally {
      try {
        await streams?.stop();
      } finally {
        endProgress();
        status.clear();
      }
    }
    const { nodes, ...metrics } = streams.progress().metrics;
    logger.info({ ...metrics, nodes }, 'stopped');
  }

  /** Starts the application; undefined if a signal came while its stores were restored. */
  async #start(onStarting: (streams: RunningStreams) => void): Promise<RunningStreams | undefined> {
    const { topology, stop } = this.#context;
    const starting = this.#startEngine(topology, {
      ...this.#engineOptions(),
      onStarting: (streams) => {
        onStarting(streams);
        // The caller that awaits the start receives the error.
        void stop.requestedOnce().then(() => streams.stop().catch(() => undefined));
      },
    });
    return starting.catch((error: unknown) => this.#unlessStopped(error));
  }

  #unlessStopped(error: unknown): undefined {
    if (!this.#context.stop.requested || !isStreamsError(error) || error.code !== 'STOPPED') throw error;
  }

  async #startEngine(topology: Topology, engine: StartOptions): Promise<RunningStreams> {
    const { shadow, fresh = false } = this.#context.options;
    if (!shadow) return start(topology, engine);
    const { startFrom: _, ...beginning } = engine;
    // Loaded only for a shadow: the import includes all of the replay code, which a normal run must not wait
    // for.
    const { startShadow } = await import('../../replay/index.js');
    const { streams, compare } = await startShadow(topology, { ...beginning, fresh });
    this.#compare = compare;
    return streams;
  }

  /** Shows the comparison of the shadow's outputs so far with those of the live application. */
  async #showComparison({ applicationId }: RunningStreams, compare: ShadowStreams['compare']): Promise<void> {
    const { topology, services, io, stop, status } = this.#context;
    const outputs = await compare(stop.signal).catch((error: unknown) => this.#unlessStopped(error));
    this.#cutShort ||= outputs === undefined;
    if (!outputs) return;
    this.#differs = outputs.some(({ equal }) => !equal);
    status.clear();
    await write(io.stdout, await shadowText(outputs, { topology, applicationId, services }));
  }

  /** All work before the application may end: with --until-idle everything, else waiting for a signal. */
  async #work(streams: RunningStreams, inputs: readonly InputFile[]): Promise<void> {
    const { options, stop } = this.#context;
    await Promise.all(inputs.map((input) => this.#feed(input)));
    if (this.#compare) {
      await streams.untilIdle();
      await this.#showComparison(streams, this.#compare);
    }
    if (!options.untilIdle) return stop.requestedOnce();
    await streams.untilIdle();
    this.#idle = true;
  }

  /** On brokers that other processes use, only with --partitions. */
  get #createsTopics(): boolean {
    const { opened, options } = this.#context;
    return opened.createsTopics || options.partitions !== undefined;
  }

  #engineOptions(): Parameters<typeof start>[1] {
    const { opened, options, services, io, logger } = this.#context;
    return {
      ...engineOptionsOf(options, this.#createsTopics),
      ...services,
      broker: opened.broker,
      stateDirectory: resolve(io.cwd, options.state),
      clock: io.clock,
      logger,
    };
  }

  async #openPrinters(): Promise<readonly TopicPrinter[]> {
    const { topology, opened, options, services, io, status } = this.#context;
    const print = (lines: string): Promise<void> | undefined => {
      if (io.stdout.isTTY) status.clear();
      return write(io.stdout, lines);
    };
    return Promise.all(
      [...new Set(options.print)].map(async (topic) =>
        TopicPrinter.open({
          broker: opened.broker,
          clock: io.clock,
          topic,
          serdes: await openTopicSerdes(topology, topic, 'read', services),
          print,
        }),
      ),
    );
  }

  /** With --from latest, records sent before the start would be skipped; standard input may never end. */
  #isLate({ file }: InputFile): boolean {
    return file === '-' || this.#context.options.from === 'latest';
  }

  async #feed({ topic, file }: InputFile): Promise<void> {
    const { topology, opened, options, services, io, stop, status, logger } = this.#context;
    if (stop.requested) return;
    const serdes = await openTopicSerdes(topology, topic, 'write', services);
    const input = openInput(file, io, stop.signal);
    const rate = new Rate(io.clock);
    const sent = await sendLines({
      broker: opened.broker,
      topic,
      // An existing topic may have any number of partitions: --partitions applies to missing topics.
      partitions: await ensureTopic(opened.broker.admin, topic, {
        missing: options.partitions ?? 1,
        create: this.#createsTopics,
      }),
      input: input.bytes,
      at: input.at,
      live: input.size === undefined,
      key: options.inputKey,
      timestamp: options.inputTimestamp,
      // Needed for Avro only: otherwise the lines already have the form that the topology reads.
      serdes: [serdes?.key, serdes?.value].some((serde) => serde?.name === 'avro') ? serdes : undefined,
      clock: io.clock,
      disorder: { random: seededRandom(0) },
      signal: stop.signal,
      onProgress: (now) => {
        rate.sample(now.records);
        status.update(() => sendingText(topic, now, rate, input.size));
      },
    });
    if (!sent.complete) this.#cutShort = true;
    logger.info({}, sentText(topic, sent));
  }
}
