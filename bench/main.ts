/**
 * What millrace costs. Each case runs in a process of its own, so that memory is its own too.
 *
 *     npm run bench -- engine [CASE…]   the engine and its stores on a broker that costs nothing, and the embedded broker
 *     npm run bench -- replay [CASE…]   the past run again, over a million events in the embedded log, beside a live run of the same
 *     npm run bench -- effects [CASE…]  calls of mapAsync with stored outcomes, on the embedded broker
 *     npm run bench -- shared [CASE…]   the embedded broker in this process, and over the socket of the process that serves it
 *     npm run bench -- avro [CASE…]     Avro values through the serde, bare avsc, and Confluent's serializer
 *     npm run bench -- kafka [CASE…]    a real cluster: the one that KAFKA_BROKERS names, or one started by scripts/kafka; answers are compared
 */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { startFromJars } from '../test/kafka/support/jars.js';
import { AVRO_CASES, runAvro } from './avro.js';
import { CALL_CASES, runCalls } from './effects.js';
import { CASES, runEmbedded, runEngine } from './engine.js';
import { KAFKA_CASES, runKafka } from './kafka.js';
import type { Measured } from './measure.js';
import { REPLAY_CASES, runReplay } from './replay.js';
import { runShared, SHARED_CASES, serveShared } from './shared.js';

interface Suite {
  /** Titles of the cases, by name. */
  readonly titles: Readonly<Record<string, string>>;
  run(name: string): Promise<Measured>;
  /** What the cases need while they run, and how it ends. */
  prepare?(): Promise<() => Promise<void>>;
}

const titlesOf = (cases: Readonly<Record<string, { readonly title: string }>>): Record<string, string> =>
  Object.fromEntries(Object.entries(cases).map(([name, { title }]) => [name, title]));

const SUITES: Readonly<Record<string, Suite>> = {
  engine: {
    titles: { ...titlesOf(CASES), embedded: 'embedded end to end' },
    run: (name) => (name === 'embedded' ? runEmbedded() : runEngine(name)),
  },
  replay: { titles: titlesOf(REPLAY_CASES), run: runReplay },
  effects: { titles: titlesOf(CALL_CASES), run: runCalls },
  shared: { titles: titlesOf(SHARED_CASES), run: runShared },
  avro: { titles: titlesOf(AVRO_CASES), run: runAvro },
  kafka: {
    titles: titlesOf(KAFKA_CASES),
    run: (name) => runKafka(name, process.env.KAFKA_BROKERS ?? ''),
    prepare: async () => {
      if (process.env.KAFKA_BROKERS) return async () => undefined;
      const kafka = await startFromJars();
      process.env.KAFKA_BROKERS = kafka.brokers.join(',');
      return () => kafka.stop();
    },
  },
};

const [first = '', ...rest] = process.argv.slice(2);
if (first === '--case') {
  const [suite = '', name = ''] = rest;
  process.stdout.write(JSON.stringify(await SUITES[suite]?.run(name)));
} else if (first === '--serve') await serveShared(rest[0] ?? '');
else await runSuite(first, rest);

async function runSuite(name: string, wanted: readonly string[]): Promise<void> {
  const suite = SUITES[name];
  const known = Object.keys((suite ?? (SUITES.engine as Suite)).titles);
  if (!suite || wanted.some((one) => !known.includes(one))) {
    process.stderr.write(`Usage: npm run bench -- ${Object.keys(SUITES).join('|')} [${known.join('|')}]…\n`);
    process.exitCode = 2;
    return;
  }
  const end = await suite.prepare?.();
  try {
    process.stdout.write(
      `${'case'.padEnd(26)}${'records/s'.padStart(12)}${'µs CPU/record'.padStart(16)}${'max RSS MB'.padStart(12)}\n`,
    );
    for (const one of wanted.length > 0 ? wanted : known)
      process.stdout.write(`${row(suite.titles[one] as string, await inChild(name, one))}\n`);
  } finally {
    await end?.();
  }
}

async function inChild(suite: string, name: string): Promise<Measured> {
  const arguments_ = [...process.execArgv, fileURLToPath(import.meta.url), '--case', suite, name];
  const { stdout } = await promisify(execFile)(process.execPath, arguments_);
  return JSON.parse(stdout) as Measured;
}

function row(title: string, { recordsPerSecond, cpuMicrosPerRecord, maxRssMb, latency }: Measured): string {
  const late = latency ? `   median ${latency.medianMs.toFixed(1)} ms, 99 % in ${latency.p99Ms.toFixed(1)} ms` : '';
  const rate = Math.round(recordsPerSecond).toLocaleString('en-US');
  return `${title.padEnd(26)}${rate.padStart(12)}${cpuMicrosPerRecord.toFixed(cpuMicrosPerRecord < 1 ? 3 : 1).padStart(16)}${maxRssMb.toFixed(0).padStart(12)}${late}`;
}
