import { LocalBroker, type LocalBrokerOptions, LocalCore } from '../local/broker.js';
import { Log } from '../local/log.js';
import { MemoryStorage } from './storage.js';

/**
 * A broker in memory, for tests. It has the same log, groups and transactions as the embedded broker, but
 * nothing survives the process.
 *
 * Several engines can share one: each through its own {@link connect}, so that one can `close` or `crash`
 * without the others. Everything settles in microtasks; only a waiting `poll` uses the clock. Records are
 * copied when written. Memory: the whole log; `maintain` applies retention and compaction.
 */
export class MemoryBroker extends LocalBroker {
  constructor(options: LocalBrokerOptions) {
    super(new LocalCore(new Log(new MemoryStorage(), options.clock), options));
  }
}
