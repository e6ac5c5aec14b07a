import { createRequire } from 'node:module';
import type { Socket } from 'node:net';
import { messageOf, StreamsError } from '../../model/errors.js';
import type { Clock } from '../../model/ports.js';
import { BytesReader, BytesWriter } from './bytes.js';
import { distrust, isOutOfTurn, likelyCause } from './connection-errors.js';
import { asStreamsError, brokerClosed, ProtocolError } from './errors.js';
import type { CalmLog, KafkajsLine } from './kafkajs-log.js';
import { type ConnectionInside, calmQueue, mendConnection, type QueueInside } from './kafkajs-patches.js';
import { type BrokerVersions, knownTo, type NewRequest, type Request } from './request.js';
import { withRight } from './rights.js';
import type { Security } from './security.js';

/** The only version whose inside is known. It is the last one: kafkajs is not developed any more. */
const KAFKAJS_VERSION = '2.2.4';
const LOG_LEVEL_ERROR = 1;
/** Of the two connections that kafkajs has to a broker. */
const NOT_FOR_FETCHES = 0;
const REQUEST_TIMEOUT_MS = 30_000;
const CONNECT_TIMEOUT_MS = 3_000;
/**
 * How long it may take until a first broker has answered all that is asked of it, whatever it is that
 * answers.
 */
const OPEN_MS = 45_000;
/**
 * How long before its end a session is prolonged by another login, where brokers end sessions. A new token is
 * fetched when a fifth of the old one's life is left: kafkajs' own 10 s would repeat the login with the old
 * one of less than 50 s, and brokers take one in a second.
 */
const REAUTHENTICATE_MS = 1_000;
/** A lost broker is looked for some seconds; who needs longer tries again with pauses of its own. */
const RETRY = { initialRetryTime: 20, maxRetryTime: 500, retries: 10 };

export interface ConnectionOptions {
  readonly brokers: readonly string[];
  readonly clientId: string;
  readonly security?: Security;
  readonly log: CalmLog;
  readonly clock: Clock;
}

/** What we use of kafkajs' internal objects. */
interface Pool {
  /** Over two connections: one for fetches, one for the rest. */
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

/** kafkajs is loaded when the first connection is opened: who does not use Kafka does not pay for it. */
function internals(): Internals {
  if (loaded) return loaded;
  const load = createRequire(import.meta.url);
  const { version } = load('kafkajs/package.json') as { version: string };
  if (version !== KAFKAJS_VERSION) {
    throw new StreamsError('CONFIG_INVALID', {
      what: 'cannot use the installed kafkajs',
      saw: `version ${version}`,
      expected: `exactly ${KAFKAJS_VERSION}, whose inside this adapter knows`,
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
 * All sockets that are open. kafkajs loses some from its sight where a cluster is lost and several look for
 * it at once, and they would keep the process alive for as long as the brokers keep them.
 */
class Sockets {
  readonly #open = new Set<Socket>();
  #closed = false;
  readonly create: (options: object) => Socket;

  constructor(create: (options: object) => Socket) {
    this.create = (options) => {
      // Node warns of a leak when more than ten requests wait for a connection that is being made; each of
      // them goes away when it is.
      const socket = create(options).setMaxListeners(0);
      // Somebody may still be looking when all is closed: without an error he would wait for the connection
      // as long as for any.
      if (this.#closed) return socket.destroy(brokerClosed());
      this.#open.add(socket);
      return socket.once('close', () => this.#open.delete(socket));
    };
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Ends all, and whatever waits for them. */
  abandon(error: Error): void {
    this.#closed = true;
    for (const socket of this.#open) socket.destroy(error);
  }

  /** What was not closed by its owner has none. */
  close(): void {
    this.#closed = true;
    for (const socket of this.#open) {
      if (socket.connecting) socket.destroy(brokerClosed());
      else socket.destroySoon();
    }
  }
}

/** kafkajs tries ten times, three seconds long, whatever failed. */
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
 * A broker answers the requests of one connection one after the other, so whoever waits long (a reader's
 * fetch, a member's join) needs a `Connections` of its own. Errors: BROKER_UNAUTHENTICATED at once where
 * client and broker do not trust each other, else kafkajs' own for connections, what the request's `read`
 * throws, BROKER_CLOSED after close.
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
   * BROKER_UNAVAILABLE, with what may be the cause, after some seconds without a broker;
   * BROKER_UNAUTHENTICATED at once.
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

  /** Asks one broker. */
  async ask<R>(nodeId: number, request: Request<R>): Promise<R> {
    return this.#send(() => this.#cluster.findBroker({ nodeId: String(nodeId) }), request, `broker ${nodeId}`);
  }

  /** Asks any broker. */
  async askAny<R>(request: Request<R> | NewRequest<R>): Promise<R> {
    return this.#send(() => this.#cluster.brokerPool.findConnectedBroker(), request, 'the cluster');
  }

  /**
   * Drops the connections; requests under way end with an error or their answer. Calling it again does
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
      // The listener has taken logins before: it takes this one on a new connection.
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
        // kafkajs asks this for a throttle time before it parses.
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

/** In the shape of kafkajs' encoder, as far as its requests look into it. */
function encoded<R>(request: Request<R>): { readonly buf: Buffer; readonly buffer: Buffer } {
  const { written } = request.write(new BytesWriter(request.initialBytes));
  return { buf: written, buffer: written };
}
