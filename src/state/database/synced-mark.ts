import { constants, type FileHandle, open, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { writeFileAtomically } from '../../files/write.js';
import { checksum } from './checksum.js';
import { databaseDamaged } from './database-errors.js';
import { firstDamage } from './write-ahead-log.js';

/**
 * What a log on disk must contain when it is opened again, in its file `SYNCED`. The file is one line, padded
 * with spaces to 512 bytes: a sector, which a disk writes completely or not at all.
 *
 *     <checksum of the JSON: 8 hexadecimal digits> {"version":1,"since":0,"writes":812,"logs":{"000012.log":40960}}
 */
export interface SyncedMark {
  /** Writes up to this number are not checked: they existed when the file was created. */
  readonly since: number;
  /** The number of the last write that the disk has. */
  readonly writes: number;
  /** Number of bytes of each write-ahead log that the disk has, by name. */
  readonly logs: Readonly<Record<string, number>>;
}

const FILE = 'SYNCED';
const VERSION = 1;
const SECTOR_BYTES = 512;
const LINE = /^([0-9a-f]{8}) (\{.*\}) *\n/;

/** Reads the mark of a directory; undefined if there is none. Errors: LOG_CORRUPT if it is damaged. */
export async function readMark(directory: string): Promise<SyncedMark | undefined> {
  const path = join(directory, FILE);
  let bytes = await content(path);
  if (bytes === undefined) return undefined;
  let mark = decode(bytes);
  // A process that has the log open may be writing the mark.
  for (
    let again = await content(path);
    mark === undefined && again && !again.equals(bytes);
    again = await content(path)
  ) {
    bytes = again;
    mark = decode(bytes);
  }
  if (mark) return mark;
  throw databaseDamaged('log', {
    what: 'cannot open the log',
    at: path,
    saw: `${bytes.length} bytes that are not a mark of version ${VERSION}`,
    action: `Restore the file from a copy. If there is none, remove it: the log then opens with the records it has, and missing ones are not detected.`,
  });
}

/**
 * Checks what must exist before RocksDB opens a directory. Otherwise RocksDB would create a new database if
 * the first file is missing, and truncate a log at the first wrong byte. Changes nothing.
 */
export async function checkLogs(directory: string, { logs }: SyncedMark): Promise<void> {
  for (const [name, length] of Object.entries(logs)) {
    const path = join(directory, name);
    const log = await content(path);
    // It has become a table, or it is lost: the content of the database shows which.
    if (log === undefined) continue;
    const at = firstDamage(log, length);
    if (at === undefined) continue;
    throw databaseDamaged('log', {
      what: 'cannot open the log',
      at: path,
      saw: log.length < length ? `${log.length} bytes` : `other bytes from ${at} on`,
      expected: `the ${length} bytes that were synced`,
      action: withoutCopy(directory),
    });
  }
}

/** The action to take if writes are missing. */
export const withoutCopy = (directory: string): string =>
  `Stop the processes that use the log and restore the directory from a copy. If there is none, copy what is left, then remove the file ${join(directory, FILE)}: the log then opens without the missing records.`;

/** The mark of an open log: replaced at the opening, then overwritten in place after each sync. */
export class MarkFile {
  readonly #file: FileHandle;

  private constructor(file: FileHandle) {
    this.#file = file;
  }

  static async create(directory: string, mark: SyncedMark): Promise<MarkFile> {
    const path = join(directory, FILE);
    await writeFileAtomically(path, encode(mark));
    return new MarkFile(await open(path, constants.O_RDWR));
  }

  /**
   * Passes the mark to the operating system. It is not synced: after a power failure an older mark is there,
   * which requires less.
   */
  async write(mark: SyncedMark): Promise<void> {
    const bytes = encode(mark);
    await this.#file.write(bytes, 0, bytes.length, 0);
  }

  async close(): Promise<void> {
    await this.#file.close();
  }
}

/**
 * Whether a directory has database files, but not the one that names the others. RocksDB would create a new
 * database.
 */
export async function lacksCurrent(directory: string): Promise<boolean> {
  const names = await readdir(directory);
  // A crash during the creation of a database leaves other files, but no table and no log.
  return !names.includes('CURRENT') && names.some((name) => name === FILE || /\.(sst|log)$/.test(name));
}

function encode({ since, writes, logs }: SyncedMark): Buffer {
  const json = JSON.stringify({ version: VERSION, since, writes, logs });
  const line = `${checksum(Buffer.from(json)).toString(16).padStart(8, '0')} ${json}`;
  return Buffer.from(`${line.padEnd(Math.ceil((line.length + 1) / SECTOR_BYTES) * SECTOR_BYTES - 1)}\n`);
}

function decode(bytes: Buffer): SyncedMark | undefined {
  const [, sum = '', json = ''] = LINE.exec(bytes.toString('latin1')) ?? [];
  if (sum === '' || Number.parseInt(sum, 16) !== checksum(Buffer.from(json, 'latin1'))) return undefined;
  // The checksum proves that this text was written; a newer millrace may have written another version.
  const { version, ...mark } = JSON.parse(json) as SyncedMark & { readonly version: number };
  return version === VERSION ? mark : undefined;
}

async function content(path: string): Promise<Buffer | undefined> {
  try {
    return await readFile(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
