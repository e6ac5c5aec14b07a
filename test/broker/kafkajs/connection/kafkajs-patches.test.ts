import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createRequire } from 'node:module';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { type ConnectionInside, mendConnection } from '#src/broker/kafkajs/connection/kafkajs-patches.js';

const load = createRequire(import.meta.url);
const Kafkajs = load('kafkajs/src/network/connection') as new (options: object) => Connection;
const createSocketFactory = load('kafkajs/src/network/socketFactory') as () => unknown;

interface Connection extends ConnectionInside {
  send(request: object): Promise<unknown>;
}

class Mended extends Kafkajs {}
mendConnection(Mended.prototype);

const log = { debug() {}, info() {}, warn() {}, error() {} };
const logger = { ...log, namespace: () => log };

const NOTHING = Buffer.alloc(0);

/** Asks anything; resolves with the answer, as text. */
const ask = (connection: Connection): Promise<unknown> =>
  connection.send({
    request: { apiKey: 3, apiVersion: 0, apiName: 'Metadata', encode: async () => ({ buf: NOTHING, buffer: NOTHING }) },
    response: {
      decode: async (payload: Buffer) => ({ payload, clientSideThrottleTime: 0 }),
      parse: async ({ payload }: { payload: Buffer }) => payload.toString(),
    },
    requestTimeout: 30_000,
  });

/** The bytes of an answer to a request. */
function answerTo(request: Buffer, text: string): Buffer {
  const answer = Buffer.alloc(8 + text.length);
  answer.writeInt32BE(4 + text.length, 0);
  // The number of the request, behind its length and what it asks for.
  request.copy(answer, 4, 8, 12);
  answer.write(text, 8);
  return answer;
}

describe('a connection of kafkajs that is made again', () => {
  let server: Server;
  let sockets: Socket[];
  let connection: Connection;
  beforeEach(async () => {
    sockets = [];
    server = createServer({ allowHalfOpen: true }, (socket) => {
      sockets.push(socket);
      socket.on('error', () => undefined);
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    connection = new Mended({
      host: '127.0.0.1',
      port: (server.address() as AddressInfo).port,
      logger,
      socketFactory: createSocketFactory(),
      requestTimeout: 30_000,
      connectionTimeout: 3_000,
    });
  });
  afterEach(async () => {
    await connection.disconnect();
    for (const socket of sockets) socket.destroy();
    server.close();
    await once(server, 'close');
  });
  /** The socket that the server has of the n-th connection. */
  const accepted = async (count: number): Promise<Socket> => {
    while (sockets.length < count) await once(server, 'connection');
    return sockets[count - 1] as Socket;
  };

  it('is made once, however many wait for it', async () => {
    await Promise.all([connection.connect(), connection.connect(), connection.connect()]);
    const socket = await accepted(1);
    const asking = ask(connection);
    const [request] = (await once(socket, 'data')) as [Buffer];
    socket.write(answerTo(request, 'hello'));
    assert.equal(await asking, 'hello');
    assert.equal(sockets.length, 1);
  });

  it('understands its answers, wherever the last one was cut off', async () => {
    for (const [round, cut] of [0, 2, 4, 9].entries()) {
      await connection.connect();
      const socket = await accepted(2 * round + 1);
      const asking = assert.rejects(ask(connection));
      const [request] = (await once(socket, 'data')) as [Buffer];
      socket.end(answerTo(request, 'hello').subarray(0, cut));
      await asking;
      await connection.disconnect();
      await connection.connect();
      const next = await accepted(2 * round + 2);
      const again = ask(connection);
      const [second] = (await once(next, 'data')) as [Buffer];
      next.write(answerTo(second, 'hello again'));
      assert.equal(await again, 'hello again');
      await connection.disconnect();
    }
  });

  it('leaves no request without an outcome, at whatever moment it ends', async () => {
    server.on('connection', (socket) => socket.on('data', (request) => socket.write(answerTo(request, 'hello'))));
    let refused = 0;
    for (let moment = 0; moment < 40; moment++) {
      await connection.connect();
      const asking = ask(connection).catch(() => refused++);
      for (let tick = 0; tick < moment; tick++) await Promise.resolve();
      await connection.disconnect();
      await asking;
    }
    assert.ok(refused > 0);
  });

  it('fails all that wait for it when it is given up', async () => {
    const waiting = [connection.connect(), connection.connect()];
    await connection.disconnect();
    for (const made of waiting) await assert.rejects(made, /the connection was closed/);
    assert.equal(connection.isConnected(), false);
  });

  it('is not ended by the end of the one before', async () => {
    await connection.connect();
    const before = await accepted(1);
    await connection.disconnect();
    await connection.connect();
    const socket = await accepted(2);
    const asking = ask(connection);
    const [request] = (await once(socket, 'data')) as [Buffer];
    before.end();
    await once(before, 'close');
    socket.write(answerTo(request, 'hello'));
    assert.equal(await asking, 'hello');
    assert.equal(connection.isConnected(), true);
  });
});
