import type { SharedBroker } from '#src/broker/shared/shared-broker.js';
import { brokerContract } from '../contract.js';
import type { BrokerFactory } from '../contract.support.js';
import { removeDirectory, temporaryDirectory } from '../local.support.js';
import { openShared } from './support.js';

/** A broker that another connection of this process serves: every call goes over the socket. */
const servedFactory: BrokerFactory = {
  pollMs: 2_000,
  maxTimestamp: 8_640_000_000_000_000,
  durable: true,
  start: async () => {
    const directory = await temporaryDirectory();
    let server = await openShared(directory);
    const clients: SharedBroker[] = [];
    return {
      open: async () => {
        const client = await openShared(directory);
        clients.push(client);
        return client;
      },
      pass: () => new Promise((resolve) => setImmediate(resolve)),
      restart: async () => {
        for (const client of clients.splice(0)) await client.close();
        await server.close();
        server = await openShared(directory);
      },
      stop: async () => {
        for (const client of clients) await client.close();
        await server.close();
        await removeDirectory(directory);
      },
    };
  },
};

brokerContract('the embedded broker over its socket', servedFactory);
