import { StreamsError } from '../../model/errors.js';
import { type Compatibility, checkCompatibility, problemText } from '../schema/compatibility.js';
import type { NamedSchema, Schema } from '../schema/model.js';
import { type ParsedSchema, parseSchema } from '../schema/parse.js';
import { fingerprint31, fingerprintUuid, schemaText } from '../schema/text.js';
import { incompatible, unknownId, unknownSubject, unknownVersion } from './errors.js';
import type { SchemaReference, SchemaSource, SchemaVersion, StoredSchema } from './port.js';

interface Entry extends SchemaSource {
  readonly version: number;
  readonly id: number;
}

interface Subject {
  compatibility?: Compatibility;
  readonly versions: Entry[];
}

/**
 * The content of a registry that millrace keeps itself, in memory or in a file. An id is the fingerprint of
 * the schema's meaning. It is therefore the same wherever the schema is registered, and stays the same when a
 * registry is rebuilt. Two schemas with one fingerprint get adjacent ids.
 */
export class Book {
  readonly #address: string;
  readonly #subjects = new Map<string, Subject>();
  compatibility: Compatibility;
  /** Parsed versions, which never change: several references may lead to the same one. */
  readonly #parsed = new Map<string, ParsedSchema>();

  constructor(address: string, compatibility: Compatibility) {
    this.#address = address;
    this.compatibility = compatibility;
  }

  get subjects(): readonly string[] {
    return [...this.#subjects.keys()].sort();
  }

  versions(subject: string): readonly SchemaVersion[] {
    return (this.#subjects.get(subject)?.versions ?? []).map((entry) => ({
      ...entry,
      subject,
      type: 'AVRO',
      hasRules: false,
    }));
  }

  compatibilityOf(subject: string): Compatibility {
    return this.#subjects.get(subject)?.compatibility ?? this.compatibility;
  }

  setCompatibility(subject: string, compatibility: Compatibility): void {
    this.#subject(subject).compatibility = compatibility;
  }

  ownCompatibility(subject: string): Compatibility | undefined {
    return this.#subjects.get(subject)?.compatibility;
  }

  byId(id: number): StoredSchema {
    const found = this.#all().find((entry) => entry.id === id);
    if (!found) throw unknownId(id, this.#address);
    return { schema: found.schema, references: found.references, type: 'AVRO', hasRules: false };
  }

  byGuid(guid: string): StoredSchema {
    const found = this.#all().find((entry) => fingerprintUuid(this.#text(entry)) === guid);
    if (!found) throw unknownId(guid, this.#address);
    return this.byId(found.id);
  }

  version(subject: string, version: number | 'latest'): SchemaVersion {
    const versions = this.versions(subject);
    if (versions.length === 0) throw unknownSubject(subject, this.#address);
    const found = version === 'latest' ? versions.at(-1) : versions.find((entry) => entry.version === version);
    if (found) return found;
    throw unknownVersion(subject, version, this.#address);
  }

  lookup(subject: string, source: SchemaSource): SchemaVersion | undefined {
    const text = this.#text(source);
    return this.versions(subject).find((entry) => this.#text(entry) === text);
  }

  register(subject: string, source: SchemaSource): SchemaVersion {
    const known = this.lookup(subject, source);
    if (known) return known;
    const before = this.versions(subject);
    const { schema } = this.#parse(source, `subject ${subject}`);
    const parsed = before.map((entry) => ({
      version: entry.version,
      schema: this.#parse(entry, `version ${entry.version} of ${subject}`).schema,
    }));
    const problems = checkCompatibility(this.compatibilityOf(subject), schema, parsed);
    if (problems.length > 0) throw incompatible(subject, this.#address, problems.map(problemText).join('; '));
    const entry = { ...source, version: (before.at(-1)?.version ?? 0) + 1, id: this.#idFor(schema) };
    this.#subject(subject).versions.push(entry);
    return { ...entry, subject, type: 'AVRO', hasRules: false };
  }

  /** Restores a version that was registered earlier. */
  restore(subject: string, entry: Entry): void {
    this.#parse(entry, `version ${entry.version} of ${subject}`);
    this.#subject(subject).versions.push(entry);
  }

  #subject(name: string): Subject {
    const known = this.#subjects.get(name);
    if (known) return known;
    const subject: Subject = { versions: [] };
    this.#subjects.set(name, subject);
    return subject;
  }

  #all(): readonly Entry[] {
    return [...this.#subjects.values()].flatMap(({ versions }) => versions);
  }

  #idFor(schema: Schema): number {
    const text = schemaText(schema);
    const texts = new Map(this.#all().map((entry) => [entry.id, this.#text(entry)]));
    let id = fingerprint31(text);
    while (texts.has(id) && texts.get(id) !== text) id = (id % 0x7fffffff) + 1;
    return id;
  }

  #text(source: SchemaSource): string {
    return schemaText(this.#parse(source, 'the schema').schema);
  }

  #parse(source: SchemaSource, at: string): ParsedSchema {
    const named = new Map<string, NamedSchema>();
    for (const reference of source.references)
      for (const [name, schema] of this.#reference(reference, at).defines) named.set(name, schema);
    const parsed = parseSchema(source.schema, { at, named });
    return { schema: parsed.schema, defines: new Map([...named, ...parsed.defines]) };
  }

  #reference({ name, subject, version }: SchemaReference, at: string): ParsedSchema {
    const found = this.versions(subject).find((entry) => entry.version === version);
    const place = `version ${version} of ${subject}`;
    const parsed = this.#parsed.get(place) ?? (found && this.#parse(found, place));
    if (parsed) {
      this.#parsed.set(place, parsed);
      return parsed;
    }
    throw new StreamsError('SCHEMA_INVALID', {
      what: `a schema refers to ${name}, which is not registered`,
      at,
      saw: `version ${version} of ${subject}`,
      action: 'Register what it refers to first.',
    });
  }
}
