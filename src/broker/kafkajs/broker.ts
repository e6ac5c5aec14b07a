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
import { KafkaAdmin } from './admin.js';
import { Client } from './client.js';
import { type ConnectionOptions, Connections } from './connections.js';
import { brokerClosed } from './errors.js';
import { KafkaMembership } from './membership.js';
import type { KafkaOptions } from './options.js';
import { KafkaReader } from './reader.js';
import { resolveSecurity } from './security.js';
import { KafkaWriter } from './writer.js';
import { type WriterSettings, writerSettings } from './writer-options.js';

export interface KafkaBrokerOptions extends KafkaOptions {
  /** `host:port` of some brokers of the cluster; the others are found through them. */
  readonly brokers: readonly string[];
  readonly clock: Clock;
  readonly logger?: Logger;
}

/** A Kafka cluster. Opened by {@link openKafkaBroker}. */
class KafkaBroker implements Broker {
  readonly admin: Admin;
  readonly #client: Client;
  readonly #connect: () => Promise<Connections>;
  readonly #settings: WriterSettings;
  readonly #readers = new Set<KafkaReader>();
  readonly #writers = new Set<KafkaWriter>();
  readonly #members = new Set<KafkaMembership>();
  #closing: Promise<void> | undefined;

  constructor(client: Client, connect: () => Promise<Connections>, settings: WriterSettings) {
    this.#settings = settings;
    this.#client = client;
    this.#connect = connect;
    this.admin = new KafkaAdmin(client);
  }

  async createReader(options: ReaderOptions = {}): Promise<Reader> {
    this.#check();
    const client = new Client(await this.#connect(), this.#client.clock);
    const reader = new KafkaReader(client, options.isolation !== 'read_uncommitted', (closed) =>
      this.#readers.delete(closed),
    );
    this.#readers.add(reader);
    return reader;
  }

  async createWriter(options: WriterOptions = {}): Promise<Writer> {
    this.#check();
    const writer = await KafkaWriter.open({
      client: this.#client,
      transactionalId: options.transactionalId,
      touches: options.touches,
      settings: this.#settings,
      onClose: (closed) => this.#writers.delete(closed),
    });
    this.#writers.add(writer);
    return writer;
  }

  async join(membership: MembershipOptions): Promise<Membership> {
    this.#check();
    const member = new KafkaMembership({
      membership,
      client: this.#client,
      connections: await this.#connect(),
      onGone: (gone) => this.#members.delete(gone),
    });
    this.#members.add(member);
    return member.joined;
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const results = await Promise.allSettled([...this.#members].map((member) => member.leave()));
    results.push(...(await Promise.allSettled([...this.#writers].map((writer) => writer.close()))));
    await Promise.all([...this.#readers].map((reader) => reader.close()));
    await this.#client.connections.close();
    const failed = results.find((result) => result.status === 'rejected');
    if (failed) throw failed.reason;
  }

  #check(): void {
    if (this.#closing) throw brokerClosed();
  }
}

/**
 * Connects to a Kafka cluster (brokers 3.9 to 4.4).
 *
 * Each reader and each member has connections of its own, because their requests wait at the brokers; admin and writers share one. Errors:
 * BROKER_UNAVAILABLE if no broker can be reached, BROKER_UNAUTHENTICATED if client and brokers do not trust each other, CONFIG_INVALID for options that cannot
 * work, a package that is not installed, and if another kafkajs than the one this is made for is; BROKER_UNAUTHORIZED, from any call, names what the user may not do.
 */
export async function openKafkaBroker(options: KafkaBrokerOptions): Promise<Broker> {
  const { brokers, clientId = 'millrace', clock, logger = silentLogger } = options;
  const connection: ConnectionOptions = { brokers, clientId, security: resolveSecurity(options, clock), logger };
  const connect = (): Promise<Connections> => Connections.open(connection);
  const settings = await writerSettings(options);
  return new KafkaBroker(new Client(await connect(), clock), connect, settings);
}
