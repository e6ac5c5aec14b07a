import { createHash } from 'node:crypto';
import { chmod, lstat, mkdir, realpath, rm } from 'node:fs/promises';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { StreamsError } from '../model/errors.js';

/** The longest path that every system takes for a socket (`sun_path`, with its last zero). */
const MAX_PATH_BYTES = 100;
const PRIVATE_DIRECTORY = 0o700;
const PRIVATE_SOCKET = 0o600;

/** A socket of this machine that other processes of the same user connect to. */
export interface LocalServer {
  readonly path: string;
  /** Accepts no more connections; those that exist stay. */
  close(): Promise<void>;
}

/**
 * The path of the socket that belongs to a directory: a file in it, or, if that path is too long, a file in a
 * private directory for temporary files, named by a hash of the directory. On Windows it is a pipe of that
 * name.
 */
export async function localSocketPath(directory: string, name: string): Promise<string> {
  const real = await realpath(directory);
  const path = join(real, name);
  if (process.platform !== 'win32' && Buffer.byteLength(path) <= MAX_PATH_BYTES) return path;
  const hash = createHash('sha256').update(path).digest('hex').slice(0, 24);
  if (process.platform === 'win32') return `\\\\.\\pipe\\millrace-${hash}`;
  return join(await privateTemporaryDirectory(), `${hash}.sock`);
}

/**
 * Listens on the socket of a directory. Whoever calls this owns the directory: a socket that a killed process
 * has left is removed. Only this user can connect.
 */
export async function listenLocally(path: string, accept: (socket: Socket) => void): Promise<LocalServer> {
  if (process.platform !== 'win32') await rm(path, { force: true });
  const server = createServer(accept);
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, () => resolve());
  });
  if (process.platform !== 'win32') await chmod(path, PRIVATE_SOCKET);
  // The server must not keep a process alive that has nothing else to do.
  server.unref();
  return { path, close: () => closed(server) };
}

/**
 * Connects to the socket of a directory. Undefined: no process listens there. Errors: BROKER_UNAUTHORIZED if
 * the socket belongs to another user.
 */
export function connectLocally(path: string): Promise<Socket | undefined> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.removeAllListeners('error');
      resolve(socket);
    });
    socket.once('error', (error: NodeJS.ErrnoException) => {
      socket.destroy();
      const { code } = error;
      if (code === 'ENOENT' || code === 'ECONNREFUSED') resolve(undefined);
      else if (code === 'EACCES' || code === 'EPERM') reject(notOurs(path));
      else reject(error);
    });
  });
}

const closed = (server: Server): Promise<void> => new Promise((resolve) => server.close(() => resolve()));

/** A directory for sockets that only this user may enter. CONFIG_INVALID if somebody else has made it. */
async function privateTemporaryDirectory(): Promise<string> {
  const uid = process.getuid?.() ?? 0;
  const directory = join(tmpdir(), `millrace-${uid}`);
  await mkdir(directory, { recursive: true, mode: PRIVATE_DIRECTORY });
  const found = await lstat(directory);
  if (found.isDirectory() && found.uid === uid && (found.mode & 0o077) === 0) return directory;
  throw new StreamsError('CONFIG_INVALID', {
    what: 'cannot use the directory of sockets',
    at: directory,
    saw: 'a file, a link, or a directory that others may enter',
    expected: 'a directory of this user, with the mode 0700',
    action: 'Remove it, or set TMPDIR to a directory of your own.',
  });
}

const notOurs = (path: string): StreamsError =>
  new StreamsError('BROKER_UNAUTHORIZED', {
    what: 'cannot connect to the process that has the directory open',
    at: path,
    saw: 'the socket of another user',
    expected: 'one of this user',
    action: 'Run as the same user, or use another directory.',
  });
