import { SharedBroker } from '#src/broker/shared/shared-broker.js';
import { systemClock } from '#src/runtime/config/system.js';
import { openRocksDatabase } from '#src/state/database/rocksdb.js';
import { brokerContract } from './contract.js';
import type { BrokerFactory } from './contract.support.js';
import { removeDirectory, temporaryDirectory } from './local.support.js';

/** A broker that another connection of this process serves: every call goes over the socket. */
const servedFactory: BrokerFactory = {
  pollMs: 2_000,
  maxTimestamp: 8_640_000_000_000_000,
  durable: true,
  start: async () => {
    const directory = await temporaryDirectory();
    const open = (): Promise<SharedBroker> =>
      new SharedBroker({ directory, openDatabase: openRocksDatabase, clock: systemClock, pid: process.pid }).open();
    let server = await open();
    const clients: SharedBroker[] = [];
    return {
      open: async () => {
        const client = await open();
        clients.push(client);
        return client;
      },
      pass: () => new Promise((resolve) => setImmediate(resolve)),
      restart: async () => {
        for (const client of clients.splice(0)) await client.close();
        await server.close();
        server = await open();
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
