import { type KafkaBrokerOptions, openKafkaBroker } from '#src/broker/kafkajs/broker.js';
import type { Broker } from '#src/broker/port.js';
import { systemClock } from '#src/runtime/config/system.js';
import { containerMissing, containerSays, startContainer } from './container.js';
import { classPath, jarsMissing, kafkaVersion, START_HOOK_LIMIT_MS, startFromJars } from './jars.js';

/**
 * A real Kafka for tests, started once for the whole run, when the first test needs it, and stopped at its end. It is the first of these that can be had:
 *
 * 1. the cluster that KAFKA_BROKERS names (it is left running, and must not delete records by their age);
 * 2. a container, if a Docker engine answers and the image (KAFKA_IMAGE, default `apache/kafka:<version>`) is there or comes within a minute;
 * 3. Kafka's own jars, if there is a JDK, and the jars in ~/.cache or Maven to fetch them.
 *
 * KAFKA_FROM=container or KAFKA_FROM=jars takes that one. KAFKA_VERSION is 4.3.1 if not given. Where nothing is found the tests are left out, and a
 * line says so; KAFKA_TESTS=require makes that a failure, KAFKA_TESTS=0 leaves them out anyway.
 */
interface Source {
  readonly says: string;
  start(): Promise<{ readonly brokers: readonly string[]; stop(): Promise<void> }>;
}

export interface Kafka {
  /** `host:port` of the brokers. In tests and hooks only: before, nothing is started. */
  readonly brokers: readonly string[];
  /** A connection of ours, closed behind the test. */
  open(options?: Partial<KafkaBrokerOptions>): Promise<Broker>;
}

async function findKafka(): Promise<Source | string> {
  const { KAFKA_TESTS, KAFKA_BROKERS, KAFKA_FROM } = process.env;
  if (KAFKA_TESTS === '0') return 'KAFKA_TESTS=0';
  if (KAFKA_BROKERS) {
    const brokers = KAFKA_BROKERS.split(',');
    return { says: `KAFKA_BROKERS=${KAFKA_BROKERS}`, start: async () => ({ brokers, stop: async () => undefined }) };
  }
  const missing = ['no KAFKA_BROKERS'];
  if (KAFKA_FROM !== 'jars') {
    const why = await containerMissing();
    if (!why) return { says: containerSays, start: startContainer };
    missing.push(why);
  }
  if (KAFKA_FROM !== 'container') {
    const why = await jarsMissing();
    if (!why) return { says: `the jars of Kafka ${kafkaVersion}`, start: () => startFromJars() };
    missing.push(why);
  }
  return missing.join(', ');
}

const found = await findKafka();
const jarsWhy = typeof found === 'string' ? found : await jarsMissing();
console.log(typeof found === 'string' ? `Kafka tests are left out: ${found}.` : `Kafka tests use ${found.says}.`);

let started: ReturnType<Source['start']> | undefined;
after('stop Kafka', async () => {
  await (await started)?.stop();
});

/**
 * A suite that needs a Kafka cluster, which all of them share: use names of your own for topics and groups. Its title begins with `Kafka: `, by which
 * `npm run test:kafka` finds it.
 */
export function describeWithKafka(title: string, suite: (kafka: Kafka) => void): void {
  gated(title, typeof found === 'string' ? found : undefined, () => {
    let brokers: readonly string[] | undefined;
    const opened: Broker[] = [];
    before('start Kafka', async function () {
      this.timeout(START_HOOK_LIMIT_MS);
      started ??= (found as Source).start();
      ({ brokers } = await started);
    });
    const running = (): readonly string[] => {
      if (!brokers) throw new Error('Kafka is started before the first test: ask for it in a test or a hook.');
      return brokers;
    };
    suite({
      get brokers() {
        return running();
      },
      async open(options = {}) {
        const broker = await openKafkaBroker({ brokers: running(), clock: systemClock, ...options });
        opened.push(broker);
        return broker;
      },
    });
    // Behind the hooks of the suite, which may still use them.
    afterEach(async () => {
      await Promise.all(opened.splice(0).map((broker) => broker.close()));
    });
  });
}

/**
 * A suite that starts brokers of its own with {@link startFromJars}, or Java programs with Kafka's classes (`classPath`), so that a cluster or container alone
 * will not do.
 */
export function describeWithKafkaJars(title: string, suite: (classPath: string) => void): void {
  gated(title, jarsWhy, () => suite(classPath()));
}

function gated(title: string, missing: string | undefined, suite: () => void): void {
  if (missing !== undefined && process.env.KAFKA_TESTS !== 'require') return;
  describe(`Kafka: ${title}`, () => {
    if (missing === undefined) suite();
    else
      it('is there', () => {
        throw new Error(`KAFKA_TESTS=require, but there is ${missing}.`);
      });
  });
}
