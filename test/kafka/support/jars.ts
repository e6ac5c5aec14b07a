import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { createServer } from 'node:net';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

/** Apache Kafka from its own jars, by the scripts in scripts/kafka: a JDK, and Maven the first time. */

export const run = promisify(execFile);

export const kafkaVersion = process.env.KAFKA_VERSION ?? '4.3.1';
/** Kafka 4 needs it. */
const JAVA_MAJOR = 17;
/** The first start of all downloads Kafka, and makes an archive of its classes. */
export const START_LIMIT_MS = 180_000;
/** Of a hook that starts something: longer, so that what has not started says why. */
export const START_HOOK_LIMIT_MS = 2 * START_LIMIT_MS;
/** A broker would delete the records of the past that tests write, by their age, while they are read. */
const CONFIG = ['log.retention.ms=-1', 'transaction.abort.timed.out.transaction.cleanup.interval.ms=500'];

/** The Java that runs brokers and Java programs. */
export const javaProgram = process.env.JAVA_HOME ? join(process.env.JAVA_HOME, 'bin', 'java') : 'java';

const home = (): string => process.env.KAFKA_HOME_DIR ?? join(homedir(), '.cache', `kafka-${kafkaVersion}`);

/** Says so, if there is no Java that is new enough. */
export async function javaMissing(): Promise<string | undefined> {
  const version = await run(javaProgram, ['-version'], { timeout: 10_000 }).catch(() => undefined);
  const major = Number(/version "(\d+)/.exec(version?.stderr ?? '')?.[1] ?? 0);
  return major < JAVA_MAJOR ? `no Java ${JAVA_MAJOR}` : undefined;
}

/** Whether a broker can be started from jars; why not, if it cannot. */
export async function jarsMissing(): Promise<string | undefined> {
  const java = await javaMissing();
  if (java) return java;
  if (existsSync(join(home(), '.complete'))) return undefined;
  const maven = await run('mvn', ['-version'], { timeout: 20_000 }).catch(() => undefined);
  return maven ? undefined : `neither the jars of Kafka ${kafkaVersion} in ${home()} nor Maven to fetch them`;
}

/** The class path of Kafka's own programs and clients. */
export const classPath = (): string => join(home(), 'libs', '*');

export interface JarsOptions {
  /** Further lines of server.properties. */
  readonly config?: readonly string[];
  /** Where the broker keeps its data; default: a temporary directory, deleted with it. */
  readonly dataDirectory?: string;
  /** Of the first broker. Default: a free one. */
  readonly port?: number;
  /** How many brokers; with three, topics have three copies, of which two must be there. Default 1. */
  readonly nodes?: number;
}

export interface JarsBroker {
  readonly brokers: readonly string[];
  /** Ends it, and deletes a data directory that was not given. */
  stop(): Promise<void>;
  /** Ends it in order, so that it does not look through its logs when it is started again. */
  shutDown(): Promise<void>;
  /** Starts it again, on the same port and data, after `shutDown` or `kill`. */
  start(): Promise<void>;
  /** Kills a broker (from 1 on; default all) as kill -9 does; its data stay. */
  kill(node?: number): Promise<void>;
}

export async function startFromJars({
  config = [],
  dataDirectory,
  nodes = 1,
  port: wanted,
}: JarsOptions = {}): Promise<JarsBroker> {
  // npm sets NODE to its own node; to the scripts it names one broker of a cluster.
  const { NODE: _npm, ...inherited } = process.env;
  const port = wanted ?? (await freePort(nodes));
  const env = {
    ...inherited,
    PORT: String(port),
    BROKERS: String(nodes),
    OWNER: String(process.pid),
    KAFKA_VERSION: kafkaVersion,
    KAFKA_EXTRA: [...CONFIG, ...config].join('\n'),
    ...(dataDirectory !== undefined && { DATA_DIR: dataDirectory }),
  };
  const start = async (): Promise<void> => {
    await run('scripts/kafka/kafka-up.sh', { env, timeout: START_LIMIT_MS });
  };
  await start();
  return {
    brokers: Array.from({ length: nodes }, (_, i) => `127.0.0.1:${port + i}`),
    start,
    kill: async (node) => {
      const which = { SIGNAL: 'KILL', KEEP_DATA: '1', ...(node !== undefined && { NODE: String(node) }) };
      await run('scripts/kafka/kafka-down.sh', { env: { ...env, ...which } });
    },
    shutDown: async () => {
      await run('scripts/kafka/kafka-down.sh', { env });
    },
    // Nobody needs what it would put in order for seconds.
    stop: async () => {
      await run('scripts/kafka/kafka-down.sh', { env: { ...env, SIGNAL: 'KILL' } });
    },
  };
}

/** Below the ports that the system gives to connections: one of those may be taken between the look and the start. */
const PORTS = { from: 12_000, to: 32_000 };

/** The first of as many ports that nobody has, and neither those of the controllers, which are 101 above. */
export async function freePort(count = 1): Promise<number> {
  for (;;) {
    const port = PORTS.from + Math.floor(Math.random() * (PORTS.to - PORTS.from));
    if (await allFree(Array.from({ length: count }, (_, i) => [port + i, port + 101 + i]).flat())) return port;
  }
}

async function allFree(ports: readonly number[]): Promise<boolean> {
  for (const port of ports) if ((await listenOnce(port).catch(() => undefined)) === undefined) return false;
  return true;
}

async function listenOnce(port: number): Promise<number> {
  const server = createServer().listen(port, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  return address !== null && typeof address === 'object' ? address.port : 0;
}
