import type { OpenDatabase } from '../../model/database.js';
import { StreamsError } from '../../model/errors.js';
import { LocalBroker, type LocalBrokerOptions, LocalCore } from '../local/broker.js';
import { DatabaseStorage } from './storage.js';

/**
 * Often enough that a log does not grow far beyond its retention, seldom enough not to cost noticeable time.
 */
const MAINTENANCE_INTERVAL_MS = 5 * 60_000;

export interface EmbeddedBrokerOptions extends LocalBrokerOptions {
  /** The directory of the log; created if missing. Only one process may open it at a time. */
  readonly directory: string;
  readonly openDatabase: OpenDatabase;
}

/**
 * A durable broker inside this process. Opened by {@link openEmbeddedBroker}; engines of the process share it
 * through `connect()`.
 *
 * Durability: commits of transactions and offsets, `flush` and changes of topics are on disk (synced) when
 * they resolve; concurrent ones share one sync. After a crash at any point, the log is in the state that one
 * of its writes left. Topics, records, offsets and transactions are there whole or not at all. Retention and
 * compaction run on opening and every five minutes.
 */
export class EmbeddedBroker extends LocalBroker {
  #cancelTimer: (() => void) | undefined;
  #closed = false;

  /** Runs retention and compaction now, and again five minutes after each run. */
  startMaintenance(): void {
    void this.core.maintainQuietly().then(() => {
      if (!this.#closed)
        this.#cancelTimer = this.core.clock.after(MAINTENANCE_INTERVAL_MS, () => this.startMaintenance());
    });
  }

  override async close(): Promise<void> {
    this.#closed = true;
    this.#cancelTimer?.();
    await super.close();
  }
}

/**
 * Opens the embedded broker of a directory, and creates it if missing.
 *
 * Errors: STATE_LOCKED while it is open elsewhere, STATE_MISMATCH if the directory holds something else,
 * STATE_IO for a disk error. LOG_CORRUPT if bytes differ from what was written or if synced data is missing.
 * Cost: reads the metadata and the last writes (at most 16 MB), not the records.
 */
export async function openEmbeddedBroker(options: EmbeddedBrokerOptions): Promise<EmbeddedBroker> {
  const { directory, openDatabase } = options;
  const database = await openDatabase(directory, { content: 'log' }).catch((error: unknown) => {
    throw locked(directory, error);
  });
  try {
    const broker = new EmbeddedBroker(await LocalCore.open(new DatabaseStorage(database), options));
    broker.startMaintenance();
    return broker;
  } catch (error) {
    await database.close();
    throw error;
  }
}

function locked(directory: string, error: unknown): unknown {
  if (!(error instanceof StreamsError) || error.code !== 'STATE_LOCKED') return error;
  return new StreamsError('STATE_LOCKED', {
    what: 'cannot open the embedded broker',
    at: directory,
    saw: 'a broker that another owner has open',
    expected: 'one owner',
    action:
      'The embedded broker is open for one process alone: stop that one, choose another directory, or open it with openBroker, which shares it.',
    cause: error,
  });
}
