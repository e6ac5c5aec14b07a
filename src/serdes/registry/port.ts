import type { Compatibility } from '../schema/compatibility.js';

/** A type that a schema refers to, and where the registry has it. */
export interface SchemaReference {
  /** As the schema refers to it: for Avro a full name. */
  readonly name: string;
  readonly subject: string;
  readonly version: number;
}

/** A schema as it is written. */
export interface SchemaSource {
  /** The text of it. */
  readonly schema: string;
  readonly references: readonly SchemaReference[];
}

/** A schema as a registry has it. */
export interface StoredSchema extends SchemaSource {
  /** `AVRO`, or what else registries keep. */
  readonly type: string;
  /** Rules that are to be applied to values (a `ruleSet`): millrace does not, and refuses such a schema. */
  readonly hasRules: boolean;
}

export interface SchemaVersion extends StoredSchema {
  readonly subject: string;
  readonly version: number;
  readonly id: number;
}

/**
 * A schema registry: subjects with versions, each a schema with an id that is the same for the same schema in
 * all subjects.
 *
 * Errors of all: SCHEMA_UNKNOWN for what is not there, REGISTRY_UNAVAILABLE, REGISTRY_UNAUTHORIZED.
 */
export interface SchemaRegistry {
  /** For errors and logs: where it is, without secrets. */
  readonly address: string;
  byId(id: number): Promise<StoredSchema>;
  /** By the globally unique id, a UUID, that newer registries give to schemas as well. */
  byGuid(guid: string): Promise<StoredSchema>;
  version(subject: string, version: number | 'latest'): Promise<SchemaVersion>;
  /** The version that this very schema has in the subject; undefined if it has none. */
  lookup(subject: string, source: SchemaSource): Promise<SchemaVersion | undefined>;
  /**
   * Adds the schema as the next version; if the subject has it, nothing changes. Resolves to its id.
   * SCHEMA_INCOMPATIBLE if the subject's mode forbids it, SCHEMA_INVALID.
   */
  register(subject: string, source: SchemaSource): Promise<number>;
  subjects(): Promise<readonly string[]>;
  /** Oldest first; none if there is no such subject. */
  versions(subject: string): Promise<readonly number[]>;
  /** What the next version must get on with. */
  compatibility(subject: string): Promise<Compatibility>;
  /**
   * Of a registry with rules of its own: why it would not take the schema as the next version; undefined if
   * it would.
   */
  refuses?(subject: string, source: SchemaSource): Promise<string | undefined>;
}
