import type { Socket } from 'node:net';
import { type AnsweredConnection, LENGTH_BYTES, takeAnswers } from './answers.js';

/** Fixes for faults of kafkajs 2.2.4, applied to its own objects. */

/** The internal members that this file uses. */
export interface QueueInside {
  readonly pending: readonly unknown[];
  readonly throttledUntil: number;
  scheduleCheckPendingRequests(): void;
}

export interface ConnectionInside extends AnsweredConnection {
  socket: Socket | undefined;
  readonly requestQueue: AnsweredConnection['requestQueue'] & { rejectAll(error: Error): void };
  isConnected(): boolean;
  connect(): Promise<boolean>;
  disconnect(): Promise<boolean>;
  send(request: object): Promise<unknown>;
  processData(data: Buffer): void;
}

/**
 * kafkajs wakes up every millisecond, for each connection, to check an empty queue. With this patch it checks
 * only while something waits in the queue.
 */
export function calmQueue(queue: QueueInside): void {
  const schedule = queue.scheduleCheckPendingRequests;
  queue.scheduleCheckPendingRequests = function (this: QueueInside): void {
    if (this.pending.length > 0) schedule.call(this);
  };
}

/**
 * Fixes four faults of connections that are lost and reopened, and two of connections that misbehave:
 *
 * 1. Each request that comes while a connection is being opened opens another one. The last one is used. The
 *    others stay open, unnoticed, until the broker closes them: the process does not end.
 * 2. The first part of a truncated response is taken as the beginning of the next one: no response can be
 *    parsed any more.
 * 3. Later events of the previous socket, above all its end, are attributed to the new one.
 * 4. A request that is sent at the very moment of the connection's end never gets a response.
 * 5. Bytes that are not a response, or one without end, end the process or fill its memory: see `answers.ts`.
 * 6. A connection stays in use after a response timed out, although responses come in order: no other can
 *    follow.
 */
export function mendConnection(connection: ConnectionInside): void {
  const { connect, disconnect, send } = connection;
  const connecting = new WeakMap<ConnectionInside, Promise<boolean>>();
  connection.connect = function (this: ConnectionInside): Promise<boolean> {
    if (this.isConnected()) return connect.call(this);
    let made = connecting.get(this);
    if (!made) {
      this.chunks = [];
      this.bytesBuffered = 0;
      this.bytesNeeded = LENGTH_BYTES;
      made = connect.call(this).finally(() => connecting.delete(this));
      connecting.set(this, made);
    }
    return made;
  };
  connection.disconnect = async function (this: ConnectionInside): Promise<boolean> {
    const { socket } = this;
    const unfinished = connecting.has(this);
    const done = await disconnect.call(this);
    // Callers that wait for the connection get an error.
    if (unfinished) socket?.destroy(closed());
    else if (socket) forget(socket);
    this.requestQueue.rejectAll(closed());
    return done;
  };
  connection.processData = function (this: ConnectionInside, data: Buffer): void {
    // kafkajs parses these bytes itself.
    if (this.authHandlers && !this.authExpectResponse) return this.authHandlers.onSuccess(data);
    try {
      takeAnswers(this, data);
    } catch (error) {
      breakOff(this, error as Error);
    }
  };
  connection.send = async function (this: ConnectionInside, request: object): Promise<unknown> {
    const { socket } = this;
    try {
      return await send.call(this, request);
    } catch (error) {
      // Only if the connection has not been reopened meanwhile.
      if ((error as Error).name === 'KafkaJSRequestTimeoutError' && this.socket === socket) breakOff(this, closed());
      throw error;
    }
  };
}

/** Ends a connection after a parse error; all its pending requests fail. */
function breakOff(connection: ConnectionInside, error: Error): void {
  connection.socket?.destroy();
  connection.authHandlers?.onError();
  connection.requestQueue.rejectAll(error);
  connection.disconnect().catch(() => undefined);
}

const closed = (): Error =>
  Object.assign(new Error('the connection was closed'), { name: 'KafkaJSConnectionClosedError' });

function forget(socket: Socket): void {
  for (const event of ['connect', 'secureConnect', 'data', 'end', 'timeout', 'error']) socket.removeAllListeners(event);
  socket.on('error', () => undefined);
  socket.destroySoon();
}
