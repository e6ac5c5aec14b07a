import { readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Database, DatabaseEntry, KeyRange } from '../../model/database.js';
import { StreamsError } from '../../model/errors.js';
import { connectLocally, type LocalServer, listenLocally, localSocketPath } from '../../net/local-socket.js';
import { type Answer, Peer } from '../../net/peer.js';
import type { Progress } from '../engine/progress.js';
import type { OpenDatabases } from './open-databases.js';
import { CONTROL_PROTOCOL, type ControlCalls, type ProcessInfo } from './protocol.js';

/** Names of control sockets: of a process, and of the application in it. */
export const CONTROL_SOCKET = /^control-(\d+)-(\d+)\.sock$/;

/** What a running application answers. */
export interface Controlled {
  readonly applicationId: string;
  readonly topology: string;
  readonly databases: OpenDatabases;
  progress(): Progress;
  stop(): Promise<void>;
  describe(): string;
}

let sockets = 0;

/**
 * Lets other processes of this user look into a running application, and stop it, over a socket in its
 * directory. They read the databases as they are on disk: rows of commits, never those of a batch under way.
 */
export class ControlServer {
  readonly #of: Controlled;
  readonly #marker: string;
  readonly #peers = new Set<Peer>();
  readonly #scans = new Map<number, AsyncIterator<readonly DatabaseEntry[]>>();
  #server: LocalServer | undefined;
  #nextScan = 1;

  private constructor(of: Controlled, marker: string) {
    this.#of = of;
    this.#marker = marker;
  }

  /** @param directory That of the application: `<state>/<application>`. It must exist. */
  static async listen(directory: string, of: Controlled): Promise<ControlServer> {
    await removeLeftSockets(directory);
    const name = `control-${process.pid}-${++sockets}.sock`;
    const path = await localSocketPath(directory, name);
    const marker = join(directory, name);
    const control = new ControlServer(of, marker);
    control.#server = await listenLocally(path, (socket) => {
      const peer: Peer = new Peer(socket, (method, input, parts) => control.#answer(method, input, parts));
      control.#peers.add(peer);
      void peer.closed.then(() => control.#peers.delete(peer));
    });
    // Where the path is too long, the socket is elsewhere: the file says that there is one.
    if (path !== marker) await writeFile(marker, '', { mode: 0o600 });
    return control;
  }

  async close(): Promise<void> {
    for (const scan of this.#scans.values()) await scan.return?.();
    const closing = this.#server?.close();
    for (const peer of this.#peers) void peer.end();
    await closing;
    await rm(this.#marker, { force: true });
  }

  async #answer(method: string, input: unknown, parts: readonly Buffer[]): Promise<Answer> {
    const of = this.#of;
    switch (method as keyof ControlCalls) {
      case 'hello':
        return { value: this.#info() };
      case 'progress':
        return { value: of.progress() };
      case 'describe':
        return { value: of.describe() };
      case 'stop':
        await of.stop();
        return {};
      case 'database.get':
        return this.#get(input as ControlCalls['database.get']['input'], parts);
      case 'database.scan':
        return { value: this.#scan(input as ControlCalls['database.scan']['input'], parts) };
      case 'database.next':
        return this.#next(input as ControlCalls['database.next']['input']);
      case 'database.end':
        await this.#end(input as ControlCalls['database.end']['input']);
        return {};
      default:
        throw new Error(`there is no call ${method}`);
    }
  }

  #info(): ProcessInfo {
    const { applicationId, topology, databases } = this.#of;
    return { protocol: CONTROL_PROTOCOL, pid: process.pid, applicationId, topology, databases: databases.directories };
  }

  async #get({ directory }: { readonly directory: string }, keys: readonly Buffer[]): Promise<Answer> {
    const values = await this.#database(directory).getMany(keys);
    return {
      value: values.map((value) => value !== undefined),
      parts: values.filter((value) => value !== undefined),
    };
  }

  #scan({ directory, has, ...range }: ControlCalls['database.scan']['input'], parts: readonly Buffer[]): number {
    const ends: Partial<KeyRange> = Object.fromEntries(has.map((end, i) => [end, parts[i]]));
    const entries = this.#database(directory).scan({ ...range, ...ends });
    const scan = this.#nextScan++;
    this.#scans.set(scan, entries[Symbol.asyncIterator]());
    return scan;
  }

  async #next({ scan }: { readonly scan: number }): Promise<Answer> {
    const next = await this.#scans.get(scan)?.next();
    if (next && !next.done) return { parts: next.value.flat() };
    this.#scans.delete(scan);
    return {};
  }

  async #end({ scan }: { readonly scan: number }): Promise<void> {
    const iterator = this.#scans.get(scan);
    this.#scans.delete(scan);
    await iterator?.return?.();
  }

  #database(directory: string): Database {
    const found = this.#of.databases.find(directory);
    if (found) return found;
    throw new StreamsError('STATE_LOCKED', {
      what: 'cannot look into a task',
      at: directory,
      saw: 'a task that this process has given up',
      action: 'Ask again: another process has it, or will have it soon.',
    });
  }
}

/** Sockets of processes that were killed. */
async function removeLeftSockets(directory: string): Promise<void> {
  for (const name of await readdir(directory)) {
    if (!CONTROL_SOCKET.test(name)) continue;
    const socket = await connectLocally(await localSocketPath(directory, name)).catch(() => undefined);
    if (socket) socket.destroy();
    else await rm(join(directory, name), { force: true });
  }
}
