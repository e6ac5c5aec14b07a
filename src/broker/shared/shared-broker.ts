import { isStreamsError } from '../../model/errors.js';
import { type EmbeddedBroker, type EmbeddedBrokerOptions, openEmbeddedBroker } from '../embedded/broker.js';
import type {
  Admin,
  Broker,
  Membership,
  MembershipOptions,
  Reader,
  ReaderOptions,
  Writer,
  WriterOptions,
} from '../port.js';
import { RemoteBroker } from './remote-broker.js';
import { type BrokerServer, serve } from './server.js';

export interface SharedBrokerOptions extends EmbeddedBrokerOptions {
  /** The process id of this process, for messages. */
  readonly pid: number;
}

/** The broker of this process, and its service for others. */
interface Owned {
  readonly broker: EmbeddedBroker;
  readonly server: BrokerServer;
}

/**
 * The embedded broker of a directory, for all processes of the machine. The first one opens the log and
 * serves it on a socket in the directory; the others are its clients. When it ends, another one opens the
 * log: nothing that was acknowledged is lost. Members of groups then join again; readers and plain writers go
 * on.
 */
export class SharedBroker implements Broker {
  readonly #options: SharedBrokerOptions;
  readonly #remote: RemoteBroker;
  #owned: Promise<Owned | undefined> | undefined;
  #own: Owned | undefined;
  #closed = false;

  constructor(options: SharedBrokerOptions) {
    this.#options = options;
    this.#remote = new RemoteBroker({ ...options, takeOver: async () => (await this.#takeOver()) !== undefined });
  }

  /** Opens the log, or connects to the process that has it open. */
  async open(): Promise<this> {
    if ((await this.#takeOver()) === undefined) await this.#remote.open();
    return this;
  }

  /** Whether this process has the log open. */
  get isOwner(): boolean {
    return this.#own !== undefined;
  }

  get admin(): Admin {
    return this.#current.admin;
  }

  createReader(options?: ReaderOptions): Promise<Reader> {
    return this.#current.createReader(options);
  }

  createWriter(options?: WriterOptions): Promise<Writer> {
    return this.#current.createWriter(options);
  }

  join(options: MembershipOptions): Promise<Membership> {
    return this.#current.join(options);
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    // Its own objects end first: they may be clients of this process itself.
    await this.#remote.close();
    const owned = await this.#owned?.catch(() => undefined);
    await owned?.server.close();
    await owned?.broker.close();
  }

  get #current(): Broker {
    return this.#own?.broker ?? this.#remote;
  }

  /** Undefined: another process has the log open. */
  #takeOver(): Promise<Owned | undefined> {
    this.#owned ??= this.#openLog().then(
      (owned) => {
        this.#own = owned;
        if (!owned) this.#owned = undefined;
        return owned;
      },
      (error) => {
        this.#owned = undefined;
        throw error;
      },
    );
    return this.#owned;
  }

  async #openLog(): Promise<Owned | undefined> {
    const { directory, clock, pid } = this.#options;
    let broker: EmbeddedBroker;
    try {
      broker = await openEmbeddedBroker(this.#options);
    } catch (error) {
      if (isStreamsError(error) && error.code === 'STATE_LOCKED') return undefined;
      throw error;
    }
    try {
      return { broker, server: await serve({ directory, broker, clock, pid }) };
    } catch (error) {
      await broker.close();
      throw error;
    }
  }
}

/**
 * Opens the embedded broker of a directory, and creates it if missing: see {@link SharedBroker}.
 *
 * Errors: those of {@link openEmbeddedBroker}, but STATE_LOCKED only if the other process does not serve the
 * broker. STATE_MISMATCH if it runs another version. BROKER_UNAUTHORIZED if it belongs to another user.
 */
export const openSharedBroker = (options: SharedBrokerOptions): Promise<Broker> => new SharedBroker(options).open();
