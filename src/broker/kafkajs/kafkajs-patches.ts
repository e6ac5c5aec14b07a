import type { Socket } from 'node:net';
import { type AnsweredConnection, LENGTH_BYTES, takeAnswers } from './answers.js';

/** What kafkajs 2.2.4 does wrong inside, mended on its own objects. */

/** As far as we look into it. */
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
 * It wakes up every millisecond for each connection, to look into a queue that is empty: only look if
 * something waits in it.
 */
export function calmQueue(queue: QueueInside): void {
  const schedule = queue.scheduleCheckPendingRequests;
  queue.scheduleCheckPendingRequests = function (this: QueueInside): void {
    if (this.pending.length > 0) schedule.call(this);
  };
}

/**
 * A connection that is lost and made again has four faults, and one that misbehaves two more:
 *
 * 1. All who ask while it is made make one each. The last is used; the others stay open, unseen, for as long
 *    as the broker lets them: the process does not end.
 * 2. What had come of an answer that was cut off is taken for the beginning of the next one: no answer is
 *    understood any more.
 * 3. What still happens to the socket before, its end above all, is taken for the new one's.
 * 4. A request that is sent in the very moment in which it ends is never answered.
 * 5. What is no answer, or one without end, ends the process or fills its memory: see `answers.ts`.
 * 6. It is kept when an answer did not come in time, although answers come in turn: no other will come.
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
    // Who waits for it learns that it will not be made.
    if (unfinished) socket?.destroy(closed());
    else if (socket) forget(socket);
    this.requestQueue.rejectAll(closed());
    return done;
  };
  connection.processData = function (this: ConnectionInside, data: Buffer): void {
    // kafkajs looks at these bytes itself.
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
      // Not the one that was made meanwhile.
      if ((error as Error).name === 'KafkaJSRequestTimeoutError' && this.socket === socket) breakOff(this, closed());
      throw error;
    }
  };
}

/** Ends a connection over which nothing can be understood any more, and all that waits for it. */
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
