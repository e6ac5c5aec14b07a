import { SharedBroker } from '#src/broker/shared/shared-broker.js';
import type { Clock } from '#src/model/ports.js';
import { systemClock } from '#src/runtime/config/system.js';
import { openRocksDatabase } from '#src/state/database/rocksdb.js';

export const openShared = (directory: string, clock: Clock = systemClock): Promise<SharedBroker> =>
  new SharedBroker({ directory, openDatabase: openRocksDatabase, clock, pid: process.pid }).open();

/** A clock on which time passes a hundred times as fast. */
export const fastClock: Clock = {
  now: () => systemClock.now(),
  monotonic: () => 100 * systemClock.monotonic(),
  after: (ms, callback) => systemClock.after(ms / 100, callback),
};
