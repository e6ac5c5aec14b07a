import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createRequire } from 'node:module';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import fc from 'fast-check';
import { openKafkaBroker } from '#src/broker/kafkajs/broker.js';
import {
  type AnsweredConnection,
  LENGTH_BYTES,
  NotKafkaError,
  takeAnswers,
} from '#src/broker/kafkajs/connection/answers.js';
import { type ConnectionInside, mendConnection } from '#src/broker/kafkajs/connection/kafkajs-patches.js';
import { BytesReader } from '#src/broker/kafkajs/wire/bytes.js';
import { systemClock } from '#src/runtime/config/system.js';
import { ManualClock } from '#src/testing/manual-clock.js';
import { fails } from '../../contract.support.js';

const MIB = 1024 * 1024;

/** A connection that has asked, as far as answers are concerned. */
class Asked implements AnsweredConnection {
  chunks: Buffer[] = [];
  bytesBuffered = 0;
  bytesNeeded = LENGTH_BYTES;
  readonly authExpectResponse = false;
  readonly authHandlers = null;
  readonly inflight = new Map<number, { readonly entry: { readonly apiName: string } }>();
  readonly got: { readonly correlationId: number; readonly text: string }[] = [];
  readonly requestQueue = {
    inflight: this.inflight,
    fulfillRequest: ({
      correlationId,
      payload,
    }: {
      readonly correlationId: number;
      readonly payload: Buffer;
    }): void => {
      this.inflight.delete(correlationId);
      this.got.push({ correlationId, text: payload.toString() });
    },
  };

  ask(correlationId: number, apiName: string): this {
    this.inflight.set(correlationId, { entry: { apiName } });
    return this;
  }
}

const head = (length: number, correlationId: number): Buffer => {
  const bytes = Buffer.alloc(8);
  bytes.writeInt32BE(length, 0);
  bytes.writeInt32BE(correlationId, 4);
  return bytes;
};
const answer = (correlationId: number, text: string): Buffer =>
  Buffer.concat([head(4 + Buffer.byteLength(text), correlationId), Buffer.from(text)]);

/** In parts of these lengths, in turn. */
function* parts(bytes: Buffer, lengths: readonly number[]): Generator<Buffer> {
  for (let at = 0, i = 0; at < bytes.length; i++) {
    const length = lengths[i % lengths.length] as number;
    yield bytes.subarray(at, at + length);
    at += length;
  }
}

describe('answers of a peer', () => {
  it('are what was sent, however they are cut', () => {
    const texts = fc.array(fc.string({ maxLength: 40 }), { minLength: 1, maxLength: 6 });
    const cuts = fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1 });
    fc.assert(
      fc.property(texts, cuts, (sent, lengths) => {
        const asked = new Asked();
        for (const id of sent.keys()) asked.ask(id, 'Metadata');
        const bytes = Buffer.concat(sent.map((text, id) => answer(id, text)));
        for (const part of parts(bytes, lengths)) takeAnswers(asked, part);
        assert.deepEqual(
          asked.got,
          sent.map((text, correlationId) => ({ correlationId, text })),
        );
        assert.equal(asked.bytesBuffered, 0);
      }),
    );
  });

  it('of any bytes at all are refused, or wait for no more than is allowed of what was asked', () => {
    const most = { Fetch: 128 * MIB, Metadata: 32 * MIB, ApiVersions: MIB };
    const apiNames = fc.constantFrom(...(Object.keys(most) as (keyof typeof most)[]));
    const heads = fc.tuple(fc.integer(), fc.integer({ min: -2, max: 2 })).map(([length, id]) => head(length, id));
    const anything = fc.oneof(heads, fc.uint8Array({ minLength: 1, maxLength: 64 }));
    fc.assert(
      fc.property(apiNames, anything, fc.integer({ min: 1, max: 9 }), (apiName, bytes, length) => {
        const asked = new Asked().ask(0, apiName).ask(1, apiName);
        try {
          for (const part of parts(Buffer.from(bytes), [length])) takeAnswers(asked, part);
        } catch (error) {
          assert.ok(error instanceof NotKafkaError, String(error));
          return;
        }
        assert.ok(asked.bytesNeeded <= LENGTH_BYTES + most[apiName]);
      }),
      { numRuns: 1_000 },
    );
  });

  it('that say they hold more items than they have bytes are refused before any is read', () => {
    let reads = 0;
    const read = (): number => reads++;
    assert.throws(() => new BytesReader(Buffer.from([0x7f, 0xff, 0xff, 0xff, 0])).array(read), RangeError);
    assert.equal(reads, 0);
  });
});

const load = createRequire(import.meta.url);
const Kafkajs = load('kafkajs/src/network/connection') as new (options: object) => ConnectionInside;
const createSocketFactory = load('kafkajs/src/network/socketFactory') as () => unknown;
class Mended extends Kafkajs {}
mendConnection(Mended.prototype);
const log = { debug() {}, info() {}, warn() {}, error() {} };
const NOTHING = Buffer.alloc(0);

/** What answers where a Kafka broker should, and what can be said of it. */
const PEERS: readonly (readonly [string, (request: Buffer, socket: Socket) => void])[] = [
  ['four zero bytes', (_, socket) => socket.write(Buffer.alloc(4))],
  ['one byte too few', (_, socket) => socket.write(Buffer.from([0, 0, 0, 3, 0, 0, 0]))],
  ['a negative length', (_, socket) => socket.write(Buffer.from([0xff, 0xff, 0xff, 0xf0, 1, 2, 3, 4]))],
  ['HTTP', (_, socket) => socket.write('HTTP/1.1 400 Bad Request\r\n\r\n')],
  ['an alert of TLS', (_, socket) => socket.write(Buffer.from([0x15, 3, 3, 0, 2, 2, 0x0a]))],
  ['an answer to nothing that was asked', (_, socket) => socket.write(answer(77_777, 'hello'))],
  [
    'an answer without end',
    (request, socket) => {
      const length = Buffer.alloc(8);
      length.writeInt32BE(0x7fff_ffff);
      request.copy(length, 4, 8, 12);
      socket.write(length);
      const chunk = Buffer.alloc(MIB);
      const pump = (): void => {
        while (!socket.destroyed && socket.write(chunk));
      };
      socket.on('drain', pump);
      pump();
    },
  ],
];

describe('a peer that is no Kafka broker', () => {
  let server: Server;
  let sockets: Socket[];
  let onData: ((request: Buffer, socket: Socket) => void) | undefined;
  beforeEach(async () => {
    sockets = [];
    onData = undefined;
    server = createServer((socket) => {
      sockets.push(socket);
      socket.on('error', () => undefined);
      socket.on('data', (request) => onData?.(request, socket));
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
  });
  afterEach(async () => {
    for (const socket of sockets) socket.destroy();
    server.close();
    await once(server, 'close');
  });

  const port = (): number => (server.address() as AddressInfo).port;
  const connect = async (requestTimeout: number): Promise<Mended> => {
    const logger = { ...log, namespace: () => log };
    const options = { host: '127.0.0.1', port: port(), logger, socketFactory: createSocketFactory() };
    const connection = new Mended({ ...options, requestTimeout, connectionTimeout: 3_000 });
    await connection.connect();
    return connection;
  };
  const ask = (connection: Mended): Promise<unknown> =>
    connection.send({
      request: {
        apiKey: 3,
        apiVersion: 0,
        apiName: 'Metadata',
        encode: async () => ({ buf: NOTHING, buffer: NOTHING }),
      },
      response: {
        decode: async (payload: Buffer) => ({ payload, clientSideThrottleTime: 0 }),
        parse: async ({ payload }: { payload: Buffer }) => payload.toString(),
      },
    });

  for (const [what, handle] of PEERS) {
    it(`that sends ${what} fails the request; a new connection is possible`, async () => {
      const connection = await connect(30_000);
      onData = handle;
      const asked = await Promise.allSettled([ask(connection), ask(connection)]);
      for (const one of asked)
        assert.match(String((one as PromiseRejectedResult).reason), /no answer of a Kafka broker/);
      onData = (request, socket) => socket.write(answer(request.readInt32BE(8), 'hello'));
      await connection.connect();
      assert.equal(await ask(connection), 'hello');
      await connection.disconnect();
    });
  }

  it('that ends an answer too late is asked over another connection', async () => {
    const connection = await connect(50);
    onData = (request, socket) => socket.write(head(1_000, request.readInt32BE(8)));
    await assert.rejects(ask(connection), /timed out/);
    onData = (request, socket) => socket.write(answer(request.readInt32BE(8), 'hello'));
    await connection.connect();
    assert.equal(await ask(connection), 'hello');
    await connection.disconnect();
  });

  const open = (clock = systemClock): Promise<unknown> => openKafkaBroker({ brokers: [`127.0.0.1:${port()}`], clock });

  it('is reported as BROKER_UNAVAILABLE, in bounded memory, whatever it sends', async () => {
    const before = process.memoryUsage().rss;
    let most = 0;
    // Each connection meets the next of them.
    const handlers = new Map<Socket, (request: Buffer, socket: Socket) => void>();
    onData = (request, socket) => {
      const handle = handlers.get(socket) ?? PEERS[handlers.size % PEERS.length]?.[1];
      if (!handle) return;
      handlers.set(socket, handle);
      handle(request, socket);
      most = Math.max(most, process.memoryUsage().rss);
    };
    await assert.rejects(open(), fails('BROKER_UNAVAILABLE', 'The port may be another service'));
    assert.ok(most - before < 300 * MIB, `${most - before}`);
  });

  it('is not waited for longer than 45 s, if it says nothing or never comes to an end', async () => {
    for (const said of [NOTHING, head(900, 1)]) {
      const clock = new ManualClock();
      const opening = assert.rejects(open(clock), fails('BROKER_UNAVAILABLE', 'no answer in 45 s'));
      const asked = once(server, 'connection');
      onData = (_, socket) => socket.write(said);
      await asked;
      clock.advance(45_000);
      await opening;
    }
  });
});
