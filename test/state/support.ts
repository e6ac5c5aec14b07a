import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Database, DatabaseEntry, DatabaseWrite, KeyRange } from '#src/model/database.js';
import { type ErrorCode, StreamsError } from '#src/model/errors.js';

/** For assert.rejects: a StreamsError with that code, in the form of a StreamsError's message, with that text. */
export function isStreamsError(code: ErrorCode, message: RegExp): (error: unknown) => true {
  return (error) => {
    assert.ok(error instanceof StreamsError, `${String(error)} is no StreamsError`);
    assert.equal(error.code, code, error.message);
    assert.match(error.message, / at .*: saw .*, expected .*\. [A-Z].*\.$/s);
    assert.match(error.message, message);
    return true;
  };
}

/** A new directory for every call; all are removed after the suite that called this. */
export function temporaryDirectories(): () => Promise<string> {
  const made: string[] = [];
  after(() => Promise.all(made.map((directory) => rm(directory, { recursive: true, force: true }))));
  return async () => {
    const directory = await mkdtemp(join(tmpdir(), 'millrace-state-'));
    made.push(directory);
    return directory;
  };
}

export const put = (key: string, value: string): DatabaseWrite => ({
  key: Buffer.from(key),
  value: Buffer.from(value),
});
export const del = (key: string): DatabaseWrite => ({ key: Buffer.from(key), value: null });
export const keys = (...names: string[]): Buffer[] => names.map((name) => Buffer.from(name));
export const texts = (values: readonly (Buffer | undefined)[]): (string | undefined)[] =>
  values.map((value) => value?.toString());

export async function entries(database: Database, range: KeyRange): Promise<DatabaseEntry[]> {
  const found: DatabaseEntry[] = [];
  for await (const chunk of database.scan(range)) found.push(...chunk);
  return found;
}

export async function all(database: Database, range: KeyRange = {}): Promise<[string, string][]> {
  return (await entries(database, range)).map(([key, value]) => [key.toString(), value.toString()]);
}
