import type { Socket } from 'node:net';

/** What kafkajs 2.2.4 does wrong inside, mended on its own objects. */

/** As far as we look into it. */
export interface QueueInside {
  readonly pending: readonly unknown[];
  readonly throttledUntil: number;
  scheduleCheckPendingRequests(): void;
}

export interface ConnectionInside {
  socket: Socket | undefined;
  chunks: Buffer[];
  bytesBuffered: number;
  bytesNeeded: number;
  readonly requestQueue: { rejectAll(error: Error): void };
  isConnected(): boolean;
  connect(): Promise<boolean>;
  disconnect(): Promise<boolean>;
}

/** It wakes up every millisecond for each connection, to look into a queue that is empty: only look if something waits in it. */
export function calmQueue(queue: QueueInside): void {
  const schedule = queue.scheduleCheckPendingRequests;
  queue.scheduleCheckPendingRequests = function (this: QueueInside): void {
    if (this.pending.length > 0) schedule.call(this);
  };
}

/** The length of an answer, which comes before it. */
const LENGTH_BYTES = 4;

/**
 * A connection that is lost and made again has four faults:
 *
 * 1. All who ask while it is made make one each. The last is used; the others stay open, unseen, for as long as the broker lets them: the process does not end.
 * 2. What had come of an answer that was cut off is taken for the beginning of the next one: no answer is understood any more.
 * 3. What still happens to the socket before, its end above all, is taken for the new one's.
 * 4. A request that is sent in the very moment in which it ends is never answered.
 */
export function mendConnection(connection: ConnectionInside): void {
  const { connect, disconnect } = connection;
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
}

const closed = (): Error =>
  Object.assign(new Error('the connection was closed'), { name: 'KafkaJSConnectionClosedError' });

function forget(socket: Socket): void {
  for (const event of ['connect', 'secureConnect', 'data', 'end', 'timeout', 'error']) socket.removeAllListeners(event);
  socket.on('error', () => undefined);
  socket.destroySoon();
}
