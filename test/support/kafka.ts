import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** A port of its own, so that tests never meet a Kafka that somebody runs by hand with the scripts' default. */
const PORT = '19892';
/** The first start of all downloads Kafka. */
const START_LIMIT_MS = 180_000;

export interface Kafka {
  readonly brokers: readonly string[];
  stop(): Promise<void>;
}

/** A Kafka cluster for tests: the one that KAFKA_BROKERS names (it is left running, and must not delete records by age), or one broker started by scripts/kafka. */
export async function startKafka(): Promise<Kafka> {
  const given = process.env.KAFKA_BROKERS;
  if (given) return { brokers: given.split(','), stop: async () => undefined };
  // Tests write records of the past: a broker would delete them by their age while they are read.
  // npm sets NODE to its own node; to the scripts it names one broker of a cluster.
  const { NODE: _npm, ...inherited } = process.env;
  const env = { ...inherited, PORT, KAFKA_EXTRA: 'log.retention.ms=-1' };
  const { stdout } = await run('scripts/kafka/kafka-up.sh', { env, timeout: START_LIMIT_MS });
  return {
    brokers: stdout.trim().split(','),
    stop: async () => {
      await run('scripts/kafka/kafka-down.sh', { env });
    },
  };
}
