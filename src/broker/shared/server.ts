import type { Clock } from '../../model/ports.js';
import { type LocalServer, listenLocally, localSocketPath } from '../../net/local-socket.js';
import { Peer } from '../../net/peer.js';
import type { LocalBroker } from '../local/broker.js';
import { SOCKET } from './protocol.js';
import { ServedClient } from './served-client.js';

/** What {@link serve} needs. */
export interface ServeOptions {
  readonly directory: string;
  readonly broker: LocalBroker;
  readonly clock: Clock;
  readonly pid: number;
}

/** Serves a broker of this process to other processes of the machine. */
export interface BrokerServer {
  /**
   * Ends the service in order: members of clients are revoked and may commit, answers under way are sent.
   * Clients go on with the next process that serves the broker.
   */
  close(): Promise<void>;
}

/** Serves the broker on the socket of its directory, which this process has open. */
export async function serve({ directory, broker, clock, pid }: ServeOptions): Promise<BrokerServer> {
  const peers = new Map<Peer, { close(): Promise<void> }>();
  const server: LocalServer = await listenLocally(await localSocketPath(directory, SOCKET), (socket) => {
    const connection = broker.connect();
    const peer: Peer = new Peer(socket, (method, input, parts) => client.answer(method, input, parts));
    const client = new ServedClient(peer, { core: broker.shared, connection, clock, pid });
    peers.set(peer, connection);
    void peer.closed.then(() => peers.delete(peer));
  });
  return {
    async close() {
      const closing = server.close();
      closing.catch(() => undefined);
      await Promise.all(
        [...peers].map(async ([peer, connection]) => {
          await connection.close().catch(() => undefined);
          await peer.end();
        }),
      );
      await closing;
    },
  };
}
