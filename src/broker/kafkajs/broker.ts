import { type Clock, type Logger, silentLogger } from '../../model/ports.js';
import type {
  Admin,
  Broker,
  Membership,
  MembershipOptions,
  Reader,
  ReaderOptions,
  Writer,
  WriterOptions,
} from '../port.js';
import { UnpackedBatches } from '../record-batch/unpacked.js';
import { KafkaAdmin } from './admin/admin.js';
import { Client } from './connection/client.js';
import { type ConnectionOptions, Connections } from './connection/connections.js';
import { CalmLog } from './connection/kafkajs-log.js';
import { StopDeadline } from './connection/stop-deadline.js';
import { KafkaMembership } from './group/membership.js';
import type { KafkaOptions } from './login/options.js';
import { resolveSecurity } from './login/security.js';
import { type WriterSettings, writerSettings } from './login/writer-options.js';
import { Fetcher } from './reading/fetcher.js';
import { KafkaReader } from './reading/reader.js';
import { brokerClosed } from './wire/errors.js';
import { KafkaWriter, unsentBytesOf } from './writing/writer.js';

export interface KafkaBrokerOptions extends KafkaOptions {
  /** `host:port` of some brokers of the cluster; the client discovers the others through them. */
  readonly brokers: readonly string[];
  readonly clock: Clock;
  readonly logger?: Logger;
}

/** The state that a broker shares with the brokers that are derived from it for a stop. */
interface Shared {
  readonly connect: () => Promise<Connections>;
  readonly settings: WriterSettings;
  readonly logger: Logger;
  readonly unpacked: UnpackedBatches;
  /** By whether they read committed records only. */
  readonly fetchers: Map<boolean, Promise<Fetcher>>;
  readonly readers: Set<KafkaReader>;
  readonly writers: Set<KafkaWriter>;
  readonly members: Set<KafkaMembership>;
  closing: Promise<void> | undefined;
}

/** A Kafka cluster. Opened by {@link openKafkaBroker}. */
class KafkaBroker implements Broker, Required<Pick<Broker, 'withStopDeadline'>> {
  readonly admin: Admin;
  readonly #client: Client;
  readonly #shared: Shared;

  constructor(client: Client, shared: Shared, stopDeadline?: StopDeadline) {
    this.#client = client.withStopDeadline(stopDeadline);
    this.#shared = shared;
    this.admin = new KafkaAdmin(this.#client);
  }

  withStopDeadline(signal: AbortSignal): Broker {
    return new KafkaBroker(this.#client, this.#shared, new StopDeadline(this.#client.clock, signal));
  }

  async createReader(options: ReaderOptions = {}): Promise<Reader> {
    this.#check();
    const { readers, logger, unpacked } = this.#shared;
    const committedOnly = options.isolation !== 'read_uncommitted';
    const fetcher = await this.#client.once(() => this.#fetcher(committedOnly));
    this.#check();
    const reader = new KafkaReader(fetcher, committedOnly, (closed) => readers.delete(closed), logger, unpacked);
    readers.add(reader);
    return reader;
  }

  /** Created when the first reader needs it. */
  #fetcher(committedOnly: boolean): Promise<Fetcher> {
    const { fetchers, connect } = this.#shared;
    const made = fetchers.get(committedOnly);
    if (made) return made;
    const { clock } = this.#client;
    const fetcher = connect().then((connections) => new Fetcher(new Client(connections, clock), committedOnly));
    fetchers.set(committedOnly, fetcher);
    fetcher.catch(() => fetchers.delete(committedOnly));
    return fetcher;
  }

  async createWriter(options: WriterOptions = {}): Promise<Writer> {
    this.#check();
    const { writers, settings } = this.#shared;
    const writer = await KafkaWriter.open({
      client: this.#client,
      transactionalId: options.transactionalId,
      transactionScope: options.transactionScope,
      onResult: options.onResult,
      onRefused: options.onRefused,
      settings,
      unsentBytes: () => unsentBytesOf(writers.size),
      onClose: (closed) => writers.delete(closed),
    });
    writers.add(writer);
    return writer;
  }

  async join(membership: MembershipOptions): Promise<Membership> {
    this.#check();
    const { members, connect } = this.#shared;
    const member = new KafkaMembership({
      membership,
      client: this.#client,
      connections: await this.#client.once(connect),
      onGone: (gone) => members.delete(gone),
    });
    members.add(member);
    return member.joined;
  }

  close(): Promise<void> {
    this.#shared.closing ??= this.#close();
    return this.#shared.closing;
  }

  async #close(): Promise<void> {
    const { members, writers, readers, fetchers } = this.#shared;
    const results = await Promise.allSettled([...members].map((member) => member.leave()));
    results.push(...(await Promise.allSettled([...writers].map((writer) => writer.close()))));
    await Promise.all([...readers].map((reader) => reader.close()));
    const opened = await Promise.allSettled(fetchers.values());
    await Promise.all(opened.map((made) => (made.status === 'fulfilled' ? made.value.close() : undefined)));
    await this.#client.connections.close();
    const failed = results.find((result) => result.status === 'rejected');
    if (failed) throw failed.reason;
  }

  #check(): void {
    if (this.#shared.closing) throw brokerClosed();
  }
}

/**
 * Connects to a Kafka cluster (brokers 3.9 to 4.4).
 *
 * All readers share two connections to each broker. Admin and writers share one, and each member has its own,
 * because the requests of readers and members wait at the brokers.
 *
 * Errors: BROKER_UNAVAILABLE if no broker can be reached, BROKER_UNAUTHENTICATED if client and brokers do not
 * trust each other. CONFIG_INVALID for options that cannot work, for a package that is not installed, and for
 * a kafkajs of a version that this adapter does not support. BROKER_UNAUTHORIZED, from any call, names the
 * missing right.
 */
export async function openKafkaBroker(options: KafkaBrokerOptions): Promise<Broker> {
  const { brokers, clientId = 'millrace', clock, logger = silentLogger } = options;
  const log = new CalmLog(logger, clock);
  const connection: ConnectionOptions = { brokers, clientId, security: resolveSecurity(options, clock), log, clock };
  const connect = (): Promise<Connections> => Connections.open(connection);
  const settings = await writerSettings(options);
  return new KafkaBroker(new Client(await connect(), clock), {
    connect,
    settings,
    logger,
    unpacked: new UnpackedBatches(),
    fetchers: new Map(),
    readers: new Set(),
    writers: new Set(),
    members: new Set(),
    closing: undefined,
  });
}
