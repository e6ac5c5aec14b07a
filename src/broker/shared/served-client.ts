import type { Clock } from '../../model/ports.js';
import type { Answer, Peer } from '../../net/peer.js';
import type { LocalConnection, LocalCore } from '../local/broker.js';
import type { Admin } from '../port.js';
import { wrongProtocol } from './errors.js';
import { type Answers, type ClientCalls, PROTOCOL, type ServerCalls } from './protocol.js';
import { ServedLog } from './served-log.js';
import { ServedMembers } from './served-members.js';
import { ServedWriters } from './served-writers.js';

/** How often a client with members is checked for its heartbeats, in each session. */
const CHECKS = 4;

/** What a client needs of the process that serves it. */
export interface ServedClientOptions {
  readonly core: LocalCore;
  readonly connection: LocalConnection;
  readonly clock: Clock;
  /** The process id of this process, for messages. */
  readonly pid: number;
}

/**
 * A process that uses the broker, as the process that serves it sees it. It has a connection of its own,
 * which ends as in a crash of that process when the socket ends. Its members leave the group when it has not
 * been heard of for a session: it may be stopped, or too busy.
 */
export class ServedClient {
  readonly #core: LocalCore;
  readonly #connection: LocalConnection;
  readonly #clock: Clock;
  readonly #log: ServedLog;
  readonly #members: ServedMembers;
  readonly #answers: Answers<ClientCalls>;
  readonly #stopWatching: () => void;
  #heard: number;
  #cancelCheck: (() => void) | undefined;

  constructor(peer: Peer, { core, connection, clock, pid }: ServedClientOptions) {
    this.#core = core;
    this.#connection = connection;
    this.#clock = clock;
    this.#heard = clock.monotonic();
    const tell = <M extends keyof ServerCalls>(method: M, input: ServerCalls[M]['input']): void =>
      peer.tell(method, input);
    this.#log = new ServedLog(
      core.log,
      (moved) => tell('moved', moved),
      () => peer.drained(),
    );
    this.#members = new ServedMembers(connection, peer);
    this.#stopWatching = core.log.watchTopics((names) => tell('topics', names));
    this.#answers = {
      hello: ({ protocol }) => {
        if (protocol !== PROTOCOL) throw wrongProtocol(protocol);
        return { value: { pid } };
      },
      admin: ({ name, args }) => this.#admin(name as keyof Admin, args),
      watch: (at) => ({ value: this.#log.watch(at) }),
      unwatch: (at) => this.#log.unwatch(at),
      floor: async (call) => ({ value: await this.#log.floor(call) }),
      read: (call) => this.#log.read(call),
      topics: (names) => ({ value: this.#log.topics(names) }),
      alive: () => undefined,
      ...new ServedWriters(core.log, connection, (written) => tell('written', written)).answers,
      ...this.#members.answers,
    };
    void peer.closed.then(() => this.#gone());
  }

  /** Answers a call of the client. */
  async answer(method: string, input: unknown, parts: readonly Buffer[]): Promise<Answer> {
    this.#heard = this.#clock.monotonic();
    if (!Object.hasOwn(this.#answers, method)) throw wrongProtocol(method);
    const answer = await this.#answers[method as 'admin'](input as ClientCalls['admin']['input'], parts);
    if (method === 'member.join') this.#checkSoon();
    return (answer as Answer | undefined) ?? {};
  }

  async #admin(name: keyof Admin, args: readonly unknown[]): Promise<{ readonly value: unknown }> {
    const { admin } = this.#core;
    if (typeof admin[name] !== 'function') throw wrongProtocol(name);
    const value = await (admin[name] as (...all: unknown[]) => Promise<unknown>).apply(admin, [...args]);
    return { value };
  }

  /** A client that is stopped, or hangs, keeps its socket: only its silence shows it. */
  #checkSoon(): void {
    const { sessionMs } = this.#members;
    if (sessionMs === undefined || this.#cancelCheck) return;
    const began = this.#clock.monotonic();
    this.#cancelCheck = this.#clock.after(sessionMs / CHECKS, () => {
      this.#cancelCheck = undefined;
      const now = this.#clock.monotonic();
      // If this process was stopped itself, what clients sent meanwhile is still to be read.
      if (now - began > (2 * sessionMs) / CHECKS) this.#heard = now;
      else if (now - this.#heard >= sessionMs) this.#connection.evictMembers();
      this.#checkSoon();
    });
  }

  #gone(): void {
    this.#cancelCheck?.();
    this.#stopWatching();
    this.#log.close();
    this.#connection.crash();
  }
}
