import { freePort, kafkaVersion, run } from './jars.js';

/** Apache Kafka in a container, through testcontainers. */

const image = process.env.KAFKA_IMAGE ?? `apache/kafka:${kafkaVersion}`;
const ENGINE_LIMIT_MS = 10_000;
/** An image that is not there in a minute is slower than any other way to a Kafka. */
const PULL_LIMIT_MS = 60_000;
const START_LIMIT_MS = 120_000;

export const containerSays = `the image ${image} in a container`;

/** Whether a broker can be started in a container; why not, if it cannot. Pulls the image if that is quick. */
export async function containerMissing(): Promise<string | undefined> {
  const docker = (args: string[], timeout: number): Promise<boolean> =>
    run('docker', args, { timeout }).then(
      ({ stdout }) => stdout.trim() !== '',
      () => false,
    );
  if (!(await docker(['version', '--format', '{{.Server.Version}}'], ENGINE_LIMIT_MS))) return 'no Docker engine';
  if (await docker(['image', 'inspect', '--format', '{{.Id}}', image], ENGINE_LIMIT_MS)) return undefined;
  console.log(`Kafka tests: pulling ${image}, for a minute at most.`);
  return (await docker(['pull', '--quiet', image], PULL_LIMIT_MS))
    ? undefined
    : `no image ${image}, nor can it be pulled in a minute`;
}

export async function startContainer(): Promise<{ readonly brokers: readonly string[]; stop(): Promise<void> }> {
  // It would pull another image, which removes containers that are left behind, and look for itself at a bridge's address.
  process.env.TESTCONTAINERS_RYUK_DISABLED ??= 'true';
  process.env.TESTCONTAINERS_HOST_OVERRIDE ??= '127.0.0.1';
  const { GenericContainer, Wait } = await import('testcontainers');
  const port = await freePort();
  const container = await new GenericContainer(image)
    .withExposedPorts({ container: 9092, host: port })
    .withStartupTimeout(START_LIMIT_MS)
    .withWaitStrategy(Wait.forLogMessage(/Kafka Server started/))
    .withEnvironment({
      KAFKA_NODE_ID: '1',
      KAFKA_PROCESS_ROLES: 'broker,controller',
      // Inside, the broker cannot reach what it is called outside: it talks to itself by a listener of its own.
      KAFKA_LISTENERS: 'PLAINTEXT://0.0.0.0:9092,BROKER://0.0.0.0:9094,CONTROLLER://0.0.0.0:9093',
      KAFKA_ADVERTISED_LISTENERS: `PLAINTEXT://127.0.0.1:${port},BROKER://localhost:9094`,
      KAFKA_INTER_BROKER_LISTENER_NAME: 'BROKER',
      KAFKA_CONTROLLER_LISTENER_NAMES: 'CONTROLLER',
      KAFKA_LISTENER_SECURITY_PROTOCOL_MAP: 'CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,BROKER:PLAINTEXT',
      KAFKA_CONTROLLER_QUORUM_VOTERS: '1@localhost:9093',
      KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR: '1',
      KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR: '1',
      KAFKA_TRANSACTION_STATE_LOG_MIN_ISR: '1',
      // With the default of 50 each, the first group and the first transaction wait ten seconds for them.
      KAFKA_OFFSETS_TOPIC_NUM_PARTITIONS: '4',
      KAFKA_TRANSACTION_STATE_LOG_NUM_PARTITIONS: '4',
      KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS: '0',
      KAFKA_GROUP_MIN_SESSION_TIMEOUT_MS: '1000',
      KAFKA_AUTO_CREATE_TOPICS_ENABLE: 'false',
      // Tests write records of the past.
      KAFKA_LOG_RETENTION_MS: '-1',
      KAFKA_TRANSACTION_ABORT_TIMED_OUT_TRANSACTION_CLEANUP_INTERVAL_MS: '500',
    })
    .start();
  return {
    brokers: [`127.0.0.1:${port}`],
    stop: async () => {
      await container.stop();
    },
  };
}
