import { type Clock, type Logger, silentLogger } from '../../model/ports.js';
import type { Answer } from '../../net/peer.js';
import { ConnectionLost } from '../../net/peer.js';
import { closedBroker } from '../local/commit-queue.js';
import { LocalReader } from '../local/reader.js';
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
import { outcomeUnknown } from './errors.js';
import { KnownTopics } from './known-topics.js';
import { Link, type LinkOptions } from './link.js';
import type { ServerCalls } from './protocol.js';
import { RemoteMember } from './remote-member.js';
import { RemoteWriter } from './remote-writer.js';
import { WatchedLog } from './watched-log.js';

/** How often a process with members is heard of in each session. */
const HEARTBEATS = 4;

/** Calls of the admin that change nothing: they are made again if the serving process ends. */
const QUESTIONS: ReadonlySet<keyof Admin> = new Set([
  'describeTopics',
  'earliestOffsets',
  'latestOffsets',
  'offsetsAt',
  'groupOffsets',
  'groupMembers',
]);

export interface RemoteBrokerOptions {
  readonly directory: string;
  readonly clock: Clock;
  readonly logger?: Logger;
  readonly pid: number;
  readonly takeOver: LinkOptions['takeOver'];
}

/** The broker of a directory that another process has open and serves. */
export class RemoteBroker implements Broker {
  readonly admin: Admin;
  readonly #options: RemoteBrokerOptions;
  readonly #link: Link;
  readonly #log: WatchedLog;
  readonly #topics: KnownTopics;
  readonly #readers = new Set<Reader>();
  readonly #writers = new Set<RemoteWriter>();
  readonly #writersByNumber = new Map<number, RemoteWriter>();
  readonly #members = new Map<number, RemoteMember>();
  #nextMember = 1;
  #closing: Promise<void> | undefined;

  constructor(options: RemoteBrokerOptions) {
    this.#options = options;
    const { clock, logger = silentLogger } = options;
    this.#link = new Link({
      ...options,
      logger,
      handler: (method, input, parts) => this.#answer(method as keyof ServerCalls, input, parts),
    });
    this.#log = new WatchedLog(this.#link, { clock, logger });
    this.#topics = new KnownTopics(this.#link);
    this.#link.onLost(() => this.#writersByNumber.clear());
    this.admin = this.#makeAdmin();
  }

  /** Connects, so that a problem shows at once. */
  async open(): Promise<this> {
    await this.#link.connected();
    return this;
  }

  async createReader(_options?: ReaderOptions): Promise<Reader> {
    this.#check();
    const reader = new LocalReader(this.#log, this.#options.clock, (closed) => this.#readers.delete(closed));
    this.#readers.add(reader);
    return reader;
  }

  async createWriter(options: WriterOptions = {}): Promise<Writer> {
    this.#check();
    const { clock, directory } = this.#options;
    const writer = new RemoteWriter({
      ...options,
      link: this.#link,
      topics: this.#topics,
      ...{ clock, directory },
      onOpen: (number, opened) => this.#writersByNumber.set(number, opened),
      onClose: (closed) => this.#writers.delete(closed),
    });
    this.#writers.add(writer);
    return writer.open();
  }

  async join(options: MembershipOptions): Promise<Membership> {
    this.#check();
    const number = this.#nextMember++;
    const member = new RemoteMember(number, options, {
      link: this.#link,
      directory: this.#options.directory,
      onEnd: () => {
        this.#members.delete(number);
        this.#beat();
      },
    });
    this.#members.set(number, member);
    this.#beat();
    return member.join();
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const results = await Promise.allSettled([...this.#members.values()].map((member) => member.leave()));
    results.push(...(await Promise.allSettled([...this.#writers].map((writer) => writer.close()))));
    await Promise.all([...this.#readers].map((reader) => reader.close()));
    this.#log.close();
    await this.#link.close();
    const failed = results.find((result) => result.status === 'rejected');
    if (failed) throw failed.reason;
  }

  #makeAdmin(): Admin {
    const call = async (name: keyof Admin, given: readonly unknown[]): Promise<unknown> => {
      this.#check();
      // JSON has no undefined: arguments that are left out stay so.
      const args = given.slice(0, given.findLastIndex((arg) => arg !== undefined) + 1);
      if (QUESTIONS.has(name)) return (await this.#link.ask('admin', { name, args })).value;
      try {
        return (await this.#link.call('admin', { name, args })).value;
      } catch (error) {
        throw error instanceof ConnectionLost ? outcomeUnknown(`${name} was done`, this.#options.directory) : error;
      } finally {
        this.#topics.allChanged();
      }
    };
    const names: Readonly<Record<keyof Admin, true>> = {
      createTopics: true,
      describeTopics: true,
      configureTopics: true,
      deleteTopics: true,
      earliestOffsets: true,
      latestOffsets: true,
      offsetsAt: true,
      deleteRecords: true,
      groupOffsets: true,
      setGroupOffsets: true,
      groupMembers: true,
      deleteGroup: true,
    };
    const calls = (Object.keys(names) as (keyof Admin)[]).map((name) => [
      name,
      (...args: readonly unknown[]) => call(name, args),
    ]);
    return Object.fromEntries(calls) as Admin;
  }

  async #answer(method: keyof ServerCalls, input: unknown, parts: readonly Buffer[]): Promise<Answer> {
    if (method === 'moved') this.#log.moved(input as ServerCalls['moved']['input']);
    else if (method === 'topics') this.#topics.changed(input as ServerCalls['topics']['input']);
    else if (method === 'written') {
      const { writer, results } = input as ServerCalls['written']['input'];
      this.#writersByNumber.get(writer)?.written(results);
    } else {
      const { member } = input as ServerCalls['member.revoked']['input'];
      const answer = this.#members.get(member)?.answers[method];
      return ((await answer?.(input as never, parts)) as Answer | undefined) ?? {};
    }
    return {};
  }

  /** The serving process must hear of this one as often as its members need. */
  #beat(): void {
    const sessions = [...this.#members.values()].map(({ sessionMs }) => sessionMs);
    this.#link.membersBeatMs = sessions.length === 0 ? undefined : Math.min(...sessions) / HEARTBEATS;
  }

  #check(): void {
    if (this.#closing) throw closedBroker();
  }
}
