import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { Database, DatabaseEntry, KeyRange } from '../../model/database.js';
import { StreamsError } from '../../model/errors.js';
import type { Clock } from '../../model/ports.js';
import { connectLocally, localSocketPath } from '../../net/local-socket.js';
import { ConnectionLost, Peer } from '../../net/peer.js';
import type { Progress } from '../engine/progress.js';
import { CONTROL_SOCKET } from './control-server.js';
import { CONTROL_PROTOCOL, type ControlCalls, type ProcessInfo } from './protocol.js';

/** A process that answers answers at once, unless it is stopped or hangs. */
const WAIT_MS = 5_000;

/** A process that runs an application, as another process of this machine sees it. */
export class RunningProcess {
  readonly #peer: Peer;
  readonly info: ProcessInfo;

  constructor(peer: Peer, info: ProcessInfo) {
    this.#peer = peer;
    this.info = info;
  }

  async progress(): Promise<Progress> {
    return (await this.#call('progress', null)).value;
  }

  /** Resolves when the application has stopped. */
  async stop(): Promise<void> {
    try {
      await this.#call('stop', null);
    } catch (error) {
      // A process that has stopped may end before its answer is sent.
      if (!(error instanceof ConnectionLost)) throw error;
    }
  }

  async describe(): Promise<string> {
    return (await this.#call('describe', null)).value;
  }

  /**
   * A database that the process has open, read-only; undefined if it has it not. Closing it changes nothing.
   */
  database(directory: string): Database | undefined {
    if (!this.info.databases.includes(resolve(directory))) return undefined;
    return {
      getMany: (keys) => this.#getMany(directory, keys),
      scan: (range) => this.#scan(directory, range),
      write: () => Promise.reject(readOnly(directory)),
      close: async () => undefined,
    };
  }

  async close(): Promise<void> {
    await this.#peer.end();
  }

  async #call<M extends keyof ControlCalls>(
    method: M,
    input: ControlCalls[M]['input'],
    parts: readonly Buffer[] = [],
  ): Promise<{ readonly value: ControlCalls[M]['value']; readonly parts: readonly Buffer[] }> {
    const answer = await this.#peer.call(method, input, parts);
    return { value: answer.value as ControlCalls[M]['value'], parts: answer.parts };
  }

  async #getMany(directory: string, keys: readonly Buffer[]): Promise<(Buffer | undefined)[]> {
    const { value, parts } = await this.#call('database.get', { directory }, keys);
    let at = 0;
    return value.map((found) => (found ? parts[at++] : undefined));
  }

  async *#scan(directory: string, { gte, lt, ...range }: KeyRange): AsyncGenerator<readonly DatabaseEntry[]> {
    const ends = [gte && (['gte', gte] as const), lt && (['lt', lt] as const)].filter((end) => end !== undefined);
    const has = ends.map(([end]) => end);
    const bytes = ends.map(([, end]) => end);
    const { value: scan } = await this.#call('database.scan', { directory, has, ...range }, bytes);
    try {
      for (;;) {
        const { parts } = await this.#call('database.next', { scan });
        if (parts.length === 0) return;
        yield Array.from({ length: parts.length / 2 }, (_, i) => [parts[2 * i], parts[2 * i + 1]] as DatabaseEntry);
      }
    } finally {
      await this.#call('database.end', { scan }).catch(() => undefined);
    }
  }
}

/**
 * The processes of this machine that run an application with this state directory, in the order of their
 * process ids. Sockets of processes that were killed are left out.
 *
 * Errors: STATE_LOCKED if a process does not answer, STATE_MISMATCH if it runs another version.
 */
export async function runningProcesses(directory: string, clock: Clock): Promise<readonly RunningProcess[]> {
  const names = existsSync(directory) ? (await readdir(directory)).filter((name) => CONTROL_SOCKET.test(name)) : [];
  const found: RunningProcess[] = [];
  for (const name of names.sort()) {
    const socket = await connectLocally(await localSocketPath(directory, name));
    if (!socket) continue;
    const peer = new Peer(socket, () => ({}));
    const cancel = clock.after(WAIT_MS, () => peer.destroy());
    const info = await peer.call('hello').then(
      ({ value }) => value as ProcessInfo,
      (error) => {
        throw error instanceof ConnectionLost ? silent(directory, name) : error;
      },
    );
    cancel();
    if (info.protocol !== CONTROL_PROTOCOL) {
      await peer.end();
      throw otherVersion(directory, info);
    }
    found.push(new RunningProcess(peer, info));
  }
  return found;
}

const silent = (directory: string, socket: string): StreamsError =>
  new StreamsError('STATE_LOCKED', {
    what: 'cannot look into a running process',
    at: directory,
    saw: `no answer on ${socket} for ${WAIT_MS / 1000} s`,
    expected: 'the process whose id is in the name of the socket',
    action: 'Look whether it is stopped or hangs, and end it.',
  });

const otherVersion = (directory: string, { pid, protocol }: ProcessInfo): StreamsError =>
  new StreamsError('STATE_MISMATCH', {
    what: `cannot look into the running process ${pid}`,
    at: directory,
    saw: `protocol ${protocol}`,
    expected: `protocol ${CONTROL_PROTOCOL}`,
    action: 'Use the version of millrace that the process runs, or stop it first.',
  });

const readOnly = (directory: string): StreamsError =>
  new StreamsError('STATE_LOCKED', {
    what: 'cannot write to the state of a running process',
    at: directory,
    action: 'Stop the process first.',
  });
