import { createRequire } from 'node:module';
import type { Socket } from 'node:net';
import { messageOf, StreamsError } from '../../../model/errors.js';
import type { Clock } from '../../../model/ports.js';
import type { Security } from '../login/security.js';
import { BytesReader, BytesWriter } from '../wire/bytes.js';
import { asStreamsError, brokerClosed, ProtocolError } from '../wire/errors.js';
import { type BrokerVersions, knownTo, type NewRequest, type Request } from '../wire/request.js';
import { withRight } from '../wire/rights.js';
import { distrust, isOutOfTurn, likelyCause } from './connection-errors.js';
import type { CalmLog, KafkajsLine } from './kafkajs-log.js';
import { type ConnectionInside, calmQueue, mendConnection, type QueueInside } from './kafkajs-patches.js';

/** The only supported version: this file uses its internals. kafkajs is no longer developed. */
const KAFKAJS_VERSION = '2.2.4';
const LOG_LEVEL_ERROR = 1;
/** The index of this connection among the two that kafkajs keeps to a broker. */
const NOT_FOR_FETCHES = 0;
const REQUEST_TIMEOUT_MS = 30_000;
const CONNECT_TIMEOUT_MS = 3_000;
/** How long the first server may take to respond to all requests of the opening, whatever it is. */
const OPEN_MS = 45_000;
/**
 * How long before the end of a session kafkajs logs in again, where brokers limit sessions. A new token is
 * fetched when a fifth of the old token's life is left. kafkajs' own 10 s would repeat the login with an old
 * token of less than 50 s, and brokers accept one login per second.
 */
const REAUTHENTICATE_MS = 1_000;
/** kafkajs looks some seconds for a lost broker. A caller that waits longer retries with its own pauses. */
const RETRY = { initialRetryTime: 20, maxRetryTime: 500, retries: 10 };

export interface ConnectionOptions {
  readonly brokers: readonly string[];
  readonly clientId: string;
  readonly security?: Security;
  readonly log: CalmLog;
  readonly clock: Clock;
}

/** The internal objects of kafkajs that this file uses. */
interface Pool {
  /** Uses two connections: one for fetches, one for the rest. */
  send(request: object): Promise<unknown>;
  getConnection(index: number): Promise<{ send(request: object): Promise<unknown> }>;
}
interface Node {
  readonly connectionPool: Pool;
  readonly versions: BrokerVersions;
  disconnect(): Promise<void>;
}
interface BrokerPool {
  findConnectedBroker(): Promise<Node>;
  createBroker(options: object): { connect(): Promise<void> };
}
interface Cluster {
  readonly brokerPool: BrokerPool;
  connect(): Promise<void>;
  disconnect(): Promise<void>;
  refreshMetadata(): Promise<void>;
  findBroker(node: { readonly nodeId: string }): Promise<Node>;
}
interface Internals {
  readonly Cluster: new (options: object) => Cluster;
  readonly RequestQueue: { readonly prototype: QueueInside };
  readonly Connection: { readonly prototype: ConnectionInside };
  createLogger(options: object): unknown;
  createSocketFactory(): (options: object) => Socket;
}
let loaded: Internals | undefined;

/** Loads kafkajs for the first connection: an application without Kafka does not pay for it. */
function internals(): Internals {
  if (loaded) return loaded;
  const load = createRequire(import.meta.url);
  const { version } = load('kafkajs/package.json') as { version: string };
  if (version !== KAFKAJS_VERSION) {
    throw new StreamsError('CONFIG_INVALID', {
      what: 'cannot use the installed kafkajs',
      saw: `version ${version}`,
      expected: `exactly ${KAFKAJS_VERSION}: this adapter uses its internals`,
      action: `Install kafkajs@${KAFKAJS_VERSION}, or remove the override that replaces it.`,
    });
  }
  loaded = {
    Cluster: load('kafkajs/src/cluster'),
    RequestQueue: load('kafkajs/src/network/requestQueue'),
    Connection: load('kafkajs/src/network/connection'),
    createLogger: load('kafkajs/src/loggers').createLogger,
    createSocketFactory: load('kafkajs/src/network/socketFactory'),
  };
  calmQueue(loaded.RequestQueue.prototype);
  mendConnection(loaded.Connection.prototype);
  return loaded;
}

/**
 * All open sockets. When several callers look for a lost cluster at once, kafkajs loses track of some
 * sockets. They would keep the process alive for as long as the brokers keep them open.
 */
class Sockets {
  readonly #open = new Set<Socket>();
  #closed = false;
  readonly create: (options: object) => Socket;

  constructor(create: (options: object) => Socket) {
    this.create = (options) => {
      // Node warns of a leak when more than ten requests wait for a connection that is being opened. Each of
      // them removes its listener when the connection is open.
      const socket = create(options).setMaxListeners(0);
      // A search for a broker may outlast the close. Without an error it would wait for the connection as
      // usual.
      if (this.#closed) return socket.destroy(brokerClosed());
      this.#open.add(socket);
      return socket.once('close', () => this.#open.delete(socket));
    };
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Destroys all sockets; requests that wait for them fail. */
  abandon(error: Error): void {
    this.#closed = true;
    for (const socket of this.#open) socket.destroy(error);
  }

  /** Closes the sockets that their owners have not closed. */
  close(): void {
    this.#closed = true;
    for (const socket of this.#open) {
      if (socket.connecting) socket.destroy(brokerClosed());
      else socket.destroySoon();
    }
  }
}

/** Stops kafkajs from retrying a final error: it retries every error ten times, over three seconds. */
function failAtOnce(pool: BrokerPool, isFinal: (error: unknown) => boolean, connected: () => void): void {
  const create = pool.createBroker;
  pool.createBroker = (options) => {
    const broker = create(options);
    const connect = broker.connect.bind(broker);
    broker.connect = async () => {
      try {
        await connect();
        connected();
      } catch (error) {
        if (isFinal(error)) Object.assign(error as Error, { retriable: false });
        throw error;
      }
    };
    return broker;
  };
}

/**
 * Connections to the brokers of a cluster: kafkajs' own, with its TLS, SASL and reconnecting, and our
 * requests on them.
 *
 * A broker processes the requests of one connection one after the other. A long-waiting caller (a reader's
 * fetch, a member's join) therefore needs a `Connections` of its own. Errors: BROKER_UNAUTHENTICATED at once
 * if client and broker do not trust each other, BROKER_CLOSED after close, errors from the request's `read`,
 * else kafkajs' own connection errors.
 */
export class Connections {
  readonly #cluster: Cluster;
  readonly #sockets: Sockets;
  readonly #security: Security;
  #closed = false;

  private constructor(cluster: Cluster, sockets: Sockets, security: Security) {
    this.#cluster = cluster;
    this.#sockets = sockets;
    this.#security = security;
  }

  /**
   * BROKER_UNAVAILABLE, with the likely cause, after some seconds without a broker; BROKER_UNAUTHENTICATED at
   * once.
   */
  static async open(options: ConnectionOptions): Promise<Connections> {
    const { Cluster, createLogger, createSocketFactory } = internals();
    const { security = {} } = options;
    const at = options.brokers.join(', ');
    const sockets = new Sockets(createSocketFactory());
    let isOpen = false;
    const log = (line: KafkajsLine): void => options.log.take(line, !isOpen);
    const cluster = new Cluster({
      brokers: [...options.brokers],
      clientId: options.clientId,
      ssl: security.tls,
      sasl: security.sasl,
      logger: createLogger({ level: LOG_LEVEL_ERROR, logCreator: () => log }),
      socketFactory: sockets.create,
      connectionTimeout: CONNECT_TIMEOUT_MS,
      reauthenticationThreshold: REAUTHENTICATE_MS,
      requestTimeout: REQUEST_TIMEOUT_MS,
      enforceRequestTimeout: true,
      metadataMaxAge: 300_000,
      allowAutoTopicCreation: false,
      retry: RETRY,
    });
    failAtOnce(
      cluster.brokerPool,
      (error) => sockets.closed || distrust(error, security, at) !== undefined,
      () => security.trust?.accepted(),
    );
    const connections = new Connections(cluster, sockets, security);
    const cancel = options.clock.after(OPEN_MS, () => sockets.abandon(new Error(`no answer in ${OPEN_MS / 1000} s`)));
    try {
      await cluster.connect();
      await cluster.refreshMetadata();
      isOpen = true;
    } catch (error) {
      await connections.close();
      throw distrust(error, security, at) ?? unreachable(error, security, at);
    } finally {
      cancel();
    }
    return connections;
  }

  /** Sends a request to one broker. */
  async ask<R>(nodeId: number, request: Request<R>): Promise<R> {
    return this.#send(() => this.#cluster.findBroker({ nodeId: String(nodeId) }), request, `broker ${nodeId}`);
  }

  /** Sends a request to any broker. */
  async askAny<R>(request: Request<R> | NewRequest<R>): Promise<R> {
    return this.#send(() => this.#cluster.brokerPool.findConnectedBroker(), request, 'the cluster');
  }

  /**
   * Drops the connections; pending requests end with an error or their response. Calling it again does
   * nothing.
   */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#cluster.disconnect();
    this.#sockets.close();
  }

  async #send<R>(find: () => Promise<Node>, request: Request<R> | NewRequest<R>, at: string): Promise<R> {
    if (this.#closed) throw brokerClosed();
    let node: Node | undefined;
    try {
      node = await find();
      return await this.#exchange(node, request);
    } catch (error) {
      // The listener has accepted logins before, so it accepts this one on a new connection.
      if (isOutOfTurn(error)) {
        await node?.disconnect();
        throw error;
      }
      if (error instanceof ProtocolError) throw withRight(error, request.apiName, request.concerned);
      throw distrust(error, this.#security, at) ?? error;
    }
  }

  async #exchange<R>(node: Node, newest: Request<R> | NewRequest<R>): Promise<R> {
    const request = knownTo(node.versions, newest);
    const { apiKey, apiVersion, apiName } = request;
    const way = request.atOnce ? await node.connectionPool.getConnection(NOT_FOR_FETCHES) : node.connectionPool;
    return (await way.send({
      request: { apiKey, apiVersion, apiName, encode: async () => encoded(request) },
      response: {
        // kafkajs reads a throttle time from this before it parses the response.
        decode: async (payload: Buffer) => ({ payload, clientSideThrottleTime: 0 }),
        parse: async ({ payload }: { payload: Buffer }) => request.read(new BytesReader(payload)),
      },
      requestTimeout: request.timeoutMs ?? REQUEST_TIMEOUT_MS,
      logResponseError: false,
    })) as R;
  }
}

function unreachable(error: unknown, security: Security, at: string): StreamsError {
  if (error instanceof StreamsError || error instanceof ProtocolError)
    return asStreamsError(error, 'cannot connect', at);
  return new StreamsError('BROKER_UNAVAILABLE', {
    what: 'cannot connect',
    at,
    saw: messageOf(error).trim(),
    expected: 'a broker that answers',
    action: `${likelyCause(error, security)}Check the address and that the brokers run, then try again.`,
    cause: error,
  });
}

/** The shape of kafkajs' encoder, as far as its requests use it. */
function encoded<R>(request: Request<R>): { readonly buf: Buffer; readonly buffer: Buffer } {
  const { written } = request.write(new BytesWriter(request.initialBytes));
  return { buf: written, buffer: written };
}
