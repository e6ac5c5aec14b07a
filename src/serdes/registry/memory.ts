import type { Compatibility } from '../schema/compatibility.js';
import { Book } from './book.js';
import type { SchemaRegistry, SchemaSource, SchemaVersion, StoredSchema } from './port.js';

export interface MemoryRegistryOptions {
  /** The compatibility that a new version must have. Default `BACKWARD`, as in Confluent's registry. */
  readonly compatibility?: Compatibility;
}

/**
 * A registry in the memory of this process, for tests: its content disappears with the object. Ids are
 * fingerprints of the schemas. A schema therefore has the same id in every such registry, and in a registry
 * in a directory.
 */
export class MemoryRegistry implements SchemaRegistry {
  readonly address = 'mock://';
  readonly #book: Book;

  constructor({ compatibility = 'BACKWARD' }: MemoryRegistryOptions = {}) {
    this.#book = new Book(this.address, compatibility);
  }

  async byId(id: number): Promise<StoredSchema> {
    return this.#book.byId(id);
  }

  async byGuid(guid: string): Promise<StoredSchema> {
    return this.#book.byGuid(guid);
  }

  async version(subject: string, version: number | 'latest'): Promise<SchemaVersion> {
    return this.#book.version(subject, version);
  }

  async lookup(subject: string, source: SchemaSource): Promise<SchemaVersion | undefined> {
    return this.#book.lookup(subject, source);
  }

  async register(subject: string, source: SchemaSource): Promise<number> {
    return this.#book.register(subject, source).id;
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
}
