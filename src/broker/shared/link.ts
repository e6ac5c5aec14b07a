import { type Clock, type Logger, sleep } from '../../model/ports.js';
import { connectLocally, localSocketPath } from '../../net/local-socket.js';
import { type Answer, ConnectionLost, type Handler, Peer } from '../../net/peer.js';
import { notServed } from './errors.js';
import { type ClientCalls, PROTOCOL, SOCKET } from './protocol.js';

/** How long a process is waited for that has the directory open, and does not serve it or does not answer. */
const WAIT_MS = 20_000;
/** After this time the log says what is waited for. */
const TELL_MS = 1_000;
const FIRST_PAUSE_MS = 10;
const LONGEST_PAUSE_MS = 500;
/** How often a process is heard of that waits for answers. */
const BEAT_MS = 4_000;

export interface LinkOptions {
  readonly directory: string;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly pid: number;
  /** Opens the directory and serves it. False: another process has it open. */
  readonly takeOver: () => Promise<boolean>;
  /** Answers the calls of the serving process. */
  readonly handler: Handler;
}

/**
 * The connection to whichever process serves the broker. When it ends, the next call connects again. If no
 * process serves the broker, this one takes over, and connects to itself.
 */
export class Link {
  readonly #options: LinkOptions;
  readonly #lost = new Set<() => void>();
  #peer: Promise<Peer> | undefined;
  /** The same while it is connected. */
  #live: Peer | undefined;
  #cancelBeat: (() => void) | undefined;
  /** The interval that members need; undefined if there are none. */
  #membersBeatMs: number | undefined;
  #closed = false;

  constructor(options: LinkOptions) {
    this.#options = options;
  }

  /** Calls back whenever a connection has ended. The returned function ends that. */
  onLost(callback: () => void): () => void {
    this.#lost.add(callback);
    return () => this.#lost.delete(callback);
  }

  /** The connection, which is made if there is none. */
  connected(): Promise<Peer> {
    if (this.#closed) return Promise.reject(new ConnectionLost('the broker was closed'));
    this.#peer ??= this.#connect();
    return this.#peer;
  }

  /** Calls the serving process. {@link ConnectionLost} if it ends meanwhile. */
  async call<M extends keyof ClientCalls>(
    method: M,
    input: ClientCalls[M]['input'],
    parts: readonly Buffer[] = [],
  ): Promise<Required<Answer> & { readonly value: ClientCalls[M]['value'] }> {
    const peer = await this.connected();
    const answer = peer.call(method, input, parts);
    this.#beatSoon(peer);
    return (await answer) as Required<Answer> & { readonly value: ClientCalls[M]['value'] };
  }

  /** A call that changes nothing: it is made again with the next process. */
  async ask<M extends keyof ClientCalls>(
    method: M,
    input: ClientCalls[M]['input'],
  ): Promise<Required<Answer> & { readonly value: ClientCalls[M]['value'] }> {
    for (;;) {
      try {
        return await this.call(method, input);
      } catch (error) {
        if (!(error instanceof ConnectionLost) || this.#closed) throw error;
      }
    }
  }

  /** Tells the serving process something, if there is a connection. */
  tell<M extends keyof ClientCalls>(method: M, input: ClientCalls[M]['input']): void {
    this.#live?.tell(method, input);
  }

  /**
   * From now on, the serving process hears of this one as often; undefined: only while it waits for answers.
   */
  set membersBeatMs(ms: number | undefined) {
    this.#membersBeatMs = ms;
    this.#cancelBeat?.();
    this.#cancelBeat = undefined;
    if (this.#live) this.#beatSoon(this.#live);
  }

  /** Ends the connection after everything that was sent. */
  async close(): Promise<void> {
    this.#closed = true;
    const peer = await this.#peer?.catch(() => undefined);
    await peer?.end();
  }

  /** Ends the connection at once, as a crash of this process would. */
  async crash(): Promise<void> {
    this.#closed = true;
    (await this.#peer?.catch(() => undefined))?.destroy();
  }

  /**
   * While answers are waited for, or members need it, the other process hears of this one. If it says nothing
   * itself for as long as a connection may take, it hangs, and the connection ends.
   */
  #beatSoon(peer: Peer): void {
    if (this.#cancelBeat || (peer.waiting === 0 && this.#membersBeatMs === undefined)) return;
    let heard = peer.received;
    let silentMs = 0;
    const ms = Math.min(this.#membersBeatMs ?? BEAT_MS, BEAT_MS);
    const beat = (): void => {
      this.#cancelBeat = undefined;
      silentMs = peer.received === heard ? silentMs + ms : 0;
      heard = peer.received;
      if (silentMs >= WAIT_MS) peer.destroy();
      else if (peer.waiting > 0 || this.#membersBeatMs !== undefined) {
        void peer.call('alive').catch(() => undefined);
        this.#cancelBeat = this.#options.clock.after(ms, beat);
      }
    };
    this.#cancelBeat = this.#options.clock.after(ms, beat);
  }

  async #connect(): Promise<Peer> {
    try {
      const peer = await this.#find();
      this.#live = peer;
      void peer.closed.then(() => {
        this.#peer = undefined;
        this.#live = undefined;
        this.#cancelBeat?.();
        this.#cancelBeat = undefined;
        for (const callback of [...this.#lost]) callback();
      });
      return peer;
    } catch (error) {
      this.#peer = undefined;
      throw error;
    }
  }

  async #find(): Promise<Peer> {
    const { directory, clock, logger, takeOver, handler, pid } = this.#options;
    const began = clock.monotonic();
    let pause = FIRST_PAUSE_MS;
    let told = false;
    for (;;) {
      const socket = await connectLocally(await localSocketPath(directory, SOCKET));
      if (socket) {
        const peer = new Peer(socket, handler);
        const cancel = clock.after(WAIT_MS, () => peer.destroy());
        try {
          const { value } = await peer.call('hello', { protocol: PROTOCOL, pid });
          logger.debug({ directory, server: value }, 'uses the embedded broker that another process serves');
          return peer;
        } catch (error) {
          peer.destroy();
          if (!(error instanceof ConnectionLost)) throw error;
        } finally {
          cancel();
        }
      } else if (await takeOver()) continue;
      if (this.#closed) throw new ConnectionLost('the broker was closed');
      const waited = clock.monotonic() - began;
      if (waited >= WAIT_MS) throw notServed(directory);
      if (waited >= TELL_MS && !told) {
        told = true;
        logger.info({ directory }, 'waits for the process that has the embedded broker open');
      }
      await sleep(clock, pause);
      pause = Math.min(2 * pause, LONGEST_PAUSE_MS);
    }
  }
}
