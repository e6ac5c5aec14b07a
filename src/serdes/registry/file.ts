import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { writeFileAtomically } from '../../files/write.js';
import { messageOf, StreamsError } from '../../model/errors.js';
import { show } from '../../model/text/show.js';
import { COMPATIBILITIES, type Compatibility } from '../schema/compatibility.js';
import { jsonText } from '../schema/json-text.js';
import { jsonOf } from '../schema/parse.js';
import { Book } from './book.js';
import { areReferences } from './fields.js';
import type { SchemaReference, SchemaRegistry, SchemaSource, SchemaVersion, StoredSchema } from './port.js';

/** The file that makes a directory a registry. */
export const INDEX = 'index.json';

const FORMAT = 1;

interface IndexJson {
  readonly format: number;
  readonly compatibility: Compatibility;
  readonly subjects: Readonly<Record<string, SubjectJson>>;
}

interface SubjectJson {
  readonly compatibility?: Compatibility;
  readonly versions: readonly {
    readonly id: number;
    readonly schema: unknown;
    readonly references?: readonly SchemaReference[];
  }[];
}

/**
 * A registry in a directory: its `index.json` holds every version of every subject, and is committed with the
 * code. No server is needed. The schemas that users edit are next to it as `<subject>.avsc`. `millrace schema
 * register` adds them to the index, and `millrace schema check` reports whether that is possible.
 *
 * ```json
 * { "format": 1, "compatibility": "BACKWARD", "subjects": { "orders-value": { "versions": [{ "id": 1838271, "schema": { "type": "record", … } }] } } }
 * ```
 *
 * The position in `versions` is the version, from 1. Ids are fingerprints: the same schema has the same id in
 * every directory, so two branches that register it do not conflict. A version is never changed or removed.
 * Additions by other processes are read when something is not found, or when the latest version is requested.
 * If two processes register at the same time, the later one wins, and the other must register again.
 */
export class FileRegistry implements SchemaRegistry {
  readonly address: string;
  readonly #path: string;
  #book: Book;
  #writing: Promise<unknown> = Promise.resolve();

  private constructor(directory: string, book: Book) {
    this.address = directory;
    this.#path = join(directory, INDEX);
    this.#book = book;
  }

  /**
   * SCHEMA_INVALID if the index is damaged. A directory without an index is an empty registry; the first
   * registration creates the index.
   */
  static async open(directory: string): Promise<FileRegistry> {
    return new FileRegistry(directory, await read(directory));
  }

  byId(id: number): Promise<StoredSchema> {
    return this.#look((book) => book.byId(id));
  }

  byGuid(guid: string): Promise<StoredSchema> {
    return this.#look((book) => book.byGuid(guid));
  }

  async version(subject: string, version: number | 'latest'): Promise<SchemaVersion> {
    if (version === 'latest') this.#book = await read(this.address);
    return this.#look((book) => book.version(subject, version));
  }

  async lookup(subject: string, source: SchemaSource): Promise<SchemaVersion | undefined> {
    const found = this.#book.lookup(subject, source);
    if (found) return found;
    this.#book = await read(this.address);
    return this.#book.lookup(subject, source);
  }

  register(subject: string, source: SchemaSource): Promise<number> {
    const registering = this.#writing.then(async () => {
      this.#book = await read(this.address);
      const known = this.#book.lookup(subject, source);
      if (known) return known.id;
      const { id } = this.#book.register(subject, source);
      await this.#write();
      return id;
    });
    this.#writing = registering.catch(() => undefined);
    return registering;
  }

  async subjects(): Promise<readonly string[]> {
    return this.#book.subjects;
  }

  async versions(subject: string): Promise<readonly number[]> {
    return this.#book.versions(subject).map(({ version }) => version);
  }

  async compatibility(subject: string): Promise<Compatibility> {
    return this.#book.compatibilityOf(subject);
  }

  async #look<T>(find: (book: Book) => T): Promise<T> {
    try {
      return find(this.#book);
    } catch {
      this.#book = await read(this.address);
      return find(this.#book);
    }
  }

  async #write(): Promise<void> {
    const book = this.#book;
    const subjects = book.subjects.map((subject) => {
      const own = book.ownCompatibility(subject);
      const versions = book.versions(subject).map(({ id, schema, references }) => ({
        id,
        schema: jsonOf(schema),
        ...(references.length > 0 && { references }),
      }));
      return [subject, { ...(own && { compatibility: own }), versions }];
    });
    const index = { format: FORMAT, compatibility: book.compatibility, subjects: Object.fromEntries(subjects) };
    try {
      await writeFileAtomically(this.#path, `${jsonText(index, 2)}\n`, { shared: true });
    } catch (error) {
      throw unavailable(this.#path, 'written', error);
    }
  }
}

async function read(directory: string): Promise<Book> {
  const path = join(directory, INDEX);
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw unavailable(path, 'read', error);
  });
  if (text === undefined) return new Book(directory, 'BACKWARD');
  let index: IndexJson;
  try {
    index = JSON.parse(text) as IndexJson;
  } catch (error) {
    throw damaged(path, messageOf(error));
  }
  if (index?.format !== FORMAT) throw damaged(path, `format ${show(index?.format)}`);
  const book = new Book(directory, compatibilityIn(index.compatibility, path));
  if (typeof index.subjects !== 'object' || index.subjects === null) throw damaged(path, 'no subjects');
  const waiting = Object.entries(index.subjects).flatMap(([subject, entry]) => {
    const { compatibility, versions } = entry ?? {};
    if (!Array.isArray(versions)) throw damaged(path, `no versions of ${subject}`);
    if (compatibility !== undefined) book.setCompatibility(subject, compatibilityIn(compatibility, path));
    return versions.map((version, i) => {
      const { id, schema, references = [] } = version ?? {};
      if (!(Number.isInteger(id) && id >= 0)) throw damaged(path, `the id ${show(id)}`);
      if (!areReferences(references)) throw damaged(path, `invalid references in version ${i + 1} of ${subject}`);
      return { subject, version: i + 1, id, schema: jsonText(schema), references };
    });
  });
  restoreInOrder(book, waiting);
  return book;
}

/**
 * Restores a referenced version before the versions that refer to it, whatever their order in the file. A
 * reference to a missing version fails with SCHEMA_INVALID.
 */
function restoreInOrder(
  book: Book,
  waiting: readonly (SchemaVersion | Omit<SchemaVersion, 'type' | 'hasRules'>)[],
): void {
  const restored = new Set<string>();
  const nameOf = (subject: string, version: number): string => `${subject} ${version}`;
  let left = [...waiting];
  while (left.length > 0) {
    const ready = left.filter(
      ({ subject, version, references }) =>
        (version === 1 || restored.has(nameOf(subject, version - 1))) &&
        references.every((reference) => restored.has(nameOf(reference.subject, reference.version))),
    );
    for (const { subject, ...entry } of ready.length > 0 ? ready : left) {
      book.restore(subject, entry);
      restored.add(nameOf(subject, entry.version));
    }
    left = ready.length > 0 ? left.filter((entry) => !ready.includes(entry)) : [];
  }
}

function compatibilityIn(mode: unknown, path: string): Compatibility {
  if (COMPATIBILITIES.includes(mode as Compatibility)) return mode as Compatibility;
  throw damaged(path, `the compatibility ${show(mode)}`);
}

const damaged = (at: string, saw: string): StreamsError =>
  new StreamsError('SCHEMA_INVALID', {
    what: 'cannot read the index of a schema registry',
    at,
    saw,
    expected: 'the file as millrace writes it',
    action: 'Restore it from version control.',
  });

const unavailable = (at: string, done: string, error: unknown): StreamsError =>
  new StreamsError('REGISTRY_UNAVAILABLE', {
    what: `the index of a schema registry cannot be ${done}`,
    at,
    saw: messageOf(error),
    action: 'Correct the path, or the rights of the directory.',
    cause: error,
  });
