import { LocalBroker, type LocalBrokerOptions, LocalCore } from '../local/broker.js';
import { Log } from '../local/log.js';
import { MemoryStorage } from './storage.js';

/**
 * A broker in memory, for tests: the same log, groups and transactions as the embedded one, and nothing
 * survives the process.
 *
 * Several engines share one: each through a {@link connect} of its own, so that one can `close` or `crash`
 * without the others. Everything settles in microtasks; only a `poll` that waits uses the clock. Records are
 * copied when written. Memory: all that is in the log; `maintain` applies retention and compaction.
 */
export class MemoryBroker extends LocalBroker {
  constructor(options: LocalBrokerOptions) {
    super(new LocalCore(new Log(new MemoryStorage(), options.clock), options));
  }
}
